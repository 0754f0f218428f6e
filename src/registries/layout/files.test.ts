import { describe, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile, storageErrors } from './files.ts';
import { inFolder } from './testing/folder.ts';

describe('storageErrors', () => {
  for (const { code, expected } of [
    { code: 'ENOSPC', expected: 'INSUFFICIENT_STORAGE' },
    { code: 'EDQUOT', expected: 'INSUFFICIENT_STORAGE' },
    { code: 'EACCES', expected: 'EACCES' },
  ]) {
    test(`${code} is ${expected}`, async () => {
      const failing = () => Promise.reject(Object.assign(new Error('no'), { code }));
      await expect(storageErrors(failing)).rejects.toMatchObject({ code: expected });
    });
  }
});

describe('replaceFile', () => {
  test('replaces, and leaves nothing beside', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'a.json');
      for (const text of ['first', 'second']) await replaceFile(path, new TextEncoder().encode(text));
      expect(await Bun.file(path).text()).toBe('second');
      expect(await readdir(folder)).toEqual(['a.json']);
    });
  });

  test('that cannot be done leaves nothing', async () => {
    await inFolder(async (folder) => {
      await Bun.write(join(folder, 'a.json', 'inside'), 'x');
      await expect(replaceFile(join(folder, 'a.json'), new Uint8Array(3))).rejects.toThrow();
      expect(await readdir(folder)).toEqual(['a.json']);
    });
  });
});
