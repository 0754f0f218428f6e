import { expect, test } from 'bun:test';
import { compileGlob, tagMatcher } from './mod.ts';

test('the example of the README', () => {
  const allowed = compileGlob('library/*');
  const wanted = tagMatcher('semver:>=1.20');
  const picked = ['1.19.0', 'v1.20.1', 'latest'].filter(wanted);
  expect([allowed('library/redis'), allowed('library/a/b')]).toEqual([true, false]);
  expect(picked).toEqual(['v1.20.1']);
});
