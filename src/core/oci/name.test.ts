import { describe, expect, test } from 'bun:test';
import { parseRepository, parseTag, tryParseManifestReference, tryParseRepository, tryParseTag } from './name.ts';

describe('parseRepository', () => {
  const names = [
    'a',
    'redis',
    'library/redis',
    'a/b/c/d',
    'a.b',
    'a_b',
    'a__b',
    'a-b',
    'a--b',
    'a---b',
    '0/1',
    'x'.repeat(255),
  ];
  for (const name of names)
    test(`"${name.slice(0, 20)}" is a name`, () => expect(parseRepository(name)).toBe(name as never));

  const others = [
    { name: 'empty', text: '' },
    { name: 'a capital', text: 'Library/redis' },
    { name: 'a slash first', text: '/a' },
    { name: 'a slash last', text: 'a/' },
    { name: 'an empty segment', text: 'a//b' },
    { name: 'a dot segment', text: 'a/../b' },
    { name: 'two dots', text: 'a..b' },
    { name: 'three underscores', text: 'a___b' },
    { name: 'mixed separators', text: 'a._b' },
    { name: 'a separator first', text: '-a' },
    { name: 'a separator last', text: 'a-' },
    { name: 'a colon', text: 'host:5000/a' },
    { name: 'a space', text: 'a b' },
    { name: 'an escape', text: 'a%2fb' },
    { name: 'a backslash', text: 'a\\b' },
    { name: 'NUL', text: 'a\0b' },
    { name: 'a line break at its end', text: 'a\n' },
    { name: 'other letters', text: 'é' },
    { name: '256 characters', text: 'x'.repeat(256) },
  ];
  for (const { name, text } of others) {
    test(`${name} makes none`, () => {
      expect(tryParseRepository(text)).toBeUndefined();
      expect(() => parseRepository(text)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }));
    });
  }

  test('a long name that almost fits costs no time', () => {
    expect(tryParseRepository(`${'a-'.repeat(127)}!`)).toBeUndefined();
  });
});

describe('parseTag', () => {
  for (const tag of ['latest', '1.2.3', 'v1', '_x', 'A', '1', 'a-b_c.d', 'x'.repeat(128)]) {
    test(`"${tag.slice(0, 20)}" is a tag`, () => expect(parseTag(tag)).toBe(tag as never));
  }
  for (const text of ['', '.a', '-a', 'a:b', 'a/b', 'a+b', 'a b', 'a\n', 'é', 'x'.repeat(129)]) {
    test(`${JSON.stringify(text.slice(0, 20))} is none`, () => {
      expect(tryParseTag(text)).toBeUndefined();
      expect(() => parseTag(text)).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }));
    });
  }
});

test('a colon tells a digest from a tag', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  expect(['latest', digest, 'sha256:0', ''].map(tryParseManifestReference) as unknown).toEqual([
    'latest',
    digest,
    undefined,
    undefined,
  ]);
});
