import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithmOf, createHasher, digestOf, hexOf, parseDigest, tryParseDigest } from './digest.ts';

const sha256 = `sha256:${'0a'.repeat(32)}`;
const sha512 = `sha512:${'0a'.repeat(64)}`;

describe('parseDigest', () => {
  const cases = [
    { name: 'sha256', text: sha256, ok: true },
    { name: 'sha512', text: sha512, ok: true },
    { name: 'empty', text: '', ok: false },
    { name: 'an algorithm alone', text: 'sha256:', ok: false },
    { name: 'another algorithm', text: `sha384:${'0'.repeat(96)}`, ok: false },
    { name: 'a longer algorithm', text: `sha256+b64u:${'0'.repeat(64)}`, ok: false },
    { name: 'capitals', text: sha256.toUpperCase(), ok: false },
    { name: 'capital digits', text: `sha256:${'0A'.repeat(32)}`, ok: false },
    { name: 'a digit too few', text: sha256.slice(0, -1), ok: false },
    { name: 'a digit too many', text: `${sha256}0`, ok: false },
    { name: 'sha512 with the length of sha256', text: `sha512:${'0'.repeat(64)}`, ok: false },
    { name: 'no colon', text: sha256.replace(':', '-'), ok: false },
    { name: 'a slash inside', text: `sha256:../${'0'.repeat(61)}`, ok: false },
    { name: 'a line break at its end', text: `sha256:${'0'.repeat(63)}\n`, ok: false },
  ];
  for (const { name, text, ok } of cases) {
    test(`${name} is ${ok ? 'one' : 'none'}`, () => {
      expect(tryParseDigest(text)).toBe(ok ? (text as never) : undefined);
      if (!ok) expect(() => parseDigest(text)).toThrow('is not a digest');
    });
  }

  test('the error holds no more of a stranger’s text than it needs', () => {
    expect(() => parseDigest('x'.repeat(10_000))).toThrow(/^.{1,150}$/);
  });
});

test('its parts', () => {
  expect([algorithmOf(parseDigest(sha256)), algorithmOf(parseDigest(sha512))]).toEqual(['sha256', 'sha512']);
  expect(hexOf(parseDigest(sha256))).toBe('0a'.repeat(32));
});

test('the digest of nothing is the known one', () => {
  expect(digestOf('') as string).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('hashing in pieces is hashing at once', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 });
  fc.assert(
    fc.property(pieces, fc.constantFrom('sha256' as const, 'sha512' as const), (parts, algorithm) => {
      const hasher = createHasher(algorithm);
      for (const part of parts) hasher.update(part);
      const whole = Buffer.concat(parts);
      expect(hasher.digest()).toBe(digestOf(whole, algorithm));
    }),
  );
});
