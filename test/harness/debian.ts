import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './need.ts';
import { run } from './process.ts';
import { cacheFolder } from './temp.ts';

export const debianPrograms = ['mmdebstrap', 'umoci'];
/** A package mirror away: fetches some 30 MB the first time. */
export const debianTimeoutMs = 300_000;

/**
 * A minimal Debian as an OCI layout with the tag `amd64`: a real root, built by mmdebstrap and packed by umoci.
 * Made once and kept, see `cacheFolder`.
 */
export async function debianLayout(): Promise<string> {
  const layout = join(cacheFolder(), 'debian');
  if (existsSync(layout)) return layout;
  mkdirSync(cacheFolder(), { recursive: true });
  const root = join(cacheFolder(), 'debian-root.tar');
  if (!existsSync(root)) {
    await run([program('mmdebstrap'), '--variant=minbase', 'bookworm', `${root}.part.tar`], {
      timeoutMs: debianTimeoutMs,
    });
    renameSync(`${root}.part.tar`, root);
  }
  const part = `${layout}.part`;
  rmSync(part, { recursive: true, force: true });
  const umoci = (...args: string[]) => run([program('umoci'), ...args]);
  const image = ['--image', `${part}:amd64`];
  await umoci('init', '--layout', part);
  await umoci('new', ...image);
  await umoci('raw', 'add-layer', ...image, root);
  await umoci('config', ...image, '--architecture', 'amd64', '--os', 'linux', '--config.cmd', '/bin/bash');
  await umoci('gc', '--layout', part);
  renameSync(part, layout);
  return layout;
}
