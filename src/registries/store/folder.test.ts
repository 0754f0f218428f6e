import { afterEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '#core/std';
import { diskFs, lockFolder, openFolder, type StoreFolder } from './mod.ts';
import { freshStore, temporaryFolder } from './testing/mod.ts';

const disposals: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposals.splice(0).reverse()) dispose();
});
const newPath = () => {
  const folder = temporaryFolder();
  disposals.push(() => folder.dispose());
  return folder.path;
};
const open = async (path: string): Promise<StoreFolder> => {
  const folder = await openFolder(path, diskFs());
  disposals.push(() => folder.release());
  return folder;
};
const refusal = async (opening: Promise<unknown>) => {
  const thrown = await opening.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof AppError)) throw new Error(`no AppError but ${thrown}`);
  return { code: thrown.code, text: [thrown.message, thrown.why, thrown.hint].join('; ') };
};

describe('a store folder', () => {
  test('is made with a format file and its parts', async () => {
    const path = newPath();
    await open(path);
    expect(readFileSync(join(path, 'format'), 'utf8')).toBe('entrepot store 1\n');
    expect(readdirSync(path).sort()).toEqual(['blobs', 'format', 'lock', 'parts', 'quarantine', 'trash', 'uploads']);
  });

  test('opens again', async () => {
    const path = newPath();
    (await open(path)).release();
    expect((await open(path)).path).toBe(path);
  });

  for (const { name, format, words } of [
    { name: 'of a newer release', format: 'entrepot store 2\n', words: 'its format is 2' },
    { name: 'whose format is no number', format: 'entrepot store x\n', words: 'not one of ours' },
    { name: 'whose format is version 0', format: 'entrepot store 0\n', words: 'its format is 0' },
    { name: 'with a huge format file', format: 'x'.repeat(100_000), words: 'not one of ours' },
  ]) {
    test(`${name} is refused, and left as it is`, async () => {
      const path = newPath();
      mkdirSync(path);
      writeFileSync(join(path, 'format'), format);
      const { code, text } = await refusal(open(path));
      expect(code).toBe('STORE_FORMAT');
      expect(text).toContain(words);
      expect(readFileSync(join(path, 'format'), 'utf8')).toBe(format);
      // The lock is free again.
      lockFolder(path).release();
    });
  }

  test('is taken by one process: the error names the folder and says what to do', async () => {
    const path = newPath();
    const folder = await open(path);
    const { code, text } = await refusal(open(path));
    expect(code).toBe('STORE_LOCKED');
    expect(text).toContain(path);
    expect(text).toContain('stop that process');
    folder.release();
    await open(path);
  });

  test('in a place that cannot be made is refused', async () => {
    const { code, text } = await refusal(open(join(newPath(), 'missing', 'data')));
    expect(code).toBe('STORE_UNUSABLE');
    expect(text).toContain('ENOENT');
  });

  test('is kept from other users of the machine', async () => {
    const fresh = await freshStore();
    const { statSync } = await import('node:fs');
    expect(statSync(fresh.path).mode & 0o077).toBe(0);
    await fresh.dispose();
  });
});
