import { expect, test } from 'bun:test';
import { ABOUT, scripts } from './help.ts';

test('every script of package.json is explained, and nothing else', () => {
  expect(Object.keys(ABOUT).sort()).toEqual([...scripts].sort());
});
