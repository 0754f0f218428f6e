import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '#core/registry';
import { manualClock } from '#core/std';
import { createReadiness } from './readiness.ts';

const folder = mkdtempSync(join(tmpdir(), 'entrepot-ready-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WRITABLE = { isWritable: true };

describe('ready', () => {
  test('when the folder can be written and the catalog be read', async () => {
    const ready = createReadiness({ folder, registry: memory(), database: WRITABLE, clock: manualClock() });
    expect(await ready()).toEqual({ ready: true });
  });

  test('not when the folder is gone; asked again after a while, it looks again', async () => {
    const path = mkdtempSync(join(folder, 'data-'));
    const clock = manualClock();
    const ready = createReadiness({ folder: path, registry: memory(), database: WRITABLE, clock });
    expect(await ready()).toEqual({ ready: true });
    rmSync(path, { recursive: true });
    expect(await ready()).toEqual({ ready: true });
    clock.advance(2_000);
    expect(await ready()).toEqual({ ready: false, why: 'the data folder cannot be written: ENOENT' });
  });

  test('not when the catalog cannot be read', async () => {
    const registry = {
      repositories: async () => {
        throw new Error('disk I/O error');
      },
    };
    const ready = createReadiness({ folder, registry, database: WRITABLE, clock: manualClock() });
    expect(await ready()).toEqual({ ready: false, why: 'the catalog cannot be read: disk I/O error' });
  });

  test('not when the thread that writes has died', async () => {
    const options = { folder, registry: memory(), database: { isWritable: false }, clock: manualClock() };
    expect(await createReadiness(options)()).toEqual({
      ready: false,
      why: 'the catalog’s writer has died; restart the server',
    });
  });
});
