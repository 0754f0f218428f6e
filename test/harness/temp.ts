import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder under the system's temporary one, gone after `dispose`. */
export type TempFolder = { readonly path: string; readonly dispose: () => void };

export function tempFolder(name: string): TempFolder {
  const path = mkdtempSync(join(tmpdir(), `entrepot-${name}-`));
  return { path, dispose: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** What takes long to make and is the same every time (layers, a Debian root) is kept here between runs. */
export function cacheFolder(): string {
  return process.env.ENTREPOT_TEST_CACHE ?? join(tmpdir(), 'entrepot-test-cache');
}
