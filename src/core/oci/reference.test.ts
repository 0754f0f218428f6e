import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatReference, parseReference } from './reference.ts';
import { arbitraryDigest, arbitraryRepository, arbitraryTag } from './testing/arbitrary.ts';

const digest = `sha256:${'0'.repeat(64)}`;

describe('parseReference', () => {
  const cases = [
    { text: 'redis', full: 'docker.io/library/redis' },
    { text: 'redis:7', full: 'docker.io/library/redis:7' },
    { text: 'bitnami/redis', full: 'docker.io/bitnami/redis' },
    { text: 'docker.io/redis', full: 'docker.io/library/redis' },
    { text: 'index.docker.io/redis', full: 'docker.io/library/redis' },
    { text: 'registry-1.docker.io/library/redis', full: 'docker.io/library/redis' },
    { text: 'quay.io/a/b:c', full: 'quay.io/a/b:c' },
    { text: 'Quay.IO/a/b', full: 'quay.io/a/b' },
    { text: 'localhost/a', full: 'localhost/a' },
    { text: 'localhost:5000/a', full: 'localhost:5000/a' },
    { text: 'localhost:5000/a:b', full: 'localhost:5000/a:b' },
    { text: '[::1]:5000/a', full: '[::1]:5000/a' },
    { text: `quay.io/a@${digest}`, full: `quay.io/a@${digest}` },
    { text: `quay.io/a:b@${digest}`, full: `quay.io/a:b@${digest}` },
    { text: ' quay.io/a ', full: 'quay.io/a' },
  ];
  for (const { text, full } of cases)
    test(`${text} is ${full}`, () => expect(formatReference(parseReference(text))).toBe(full));

  const wrong = [
    { text: '', code: 'REQUEST_INVALID' },
    { text: 'quay.io/', code: 'REQUEST_INVALID' },
    { text: 'quay.io/A', code: 'NAME_INVALID' },
    { text: 'quay.io/a:', code: 'TAG_INVALID' },
    { text: 'quay.io/a:-', code: 'TAG_INVALID' },
    { text: 'quay.io/a@sha256:0', code: 'DIGEST_INVALID' },
    { text: 'quay.io/a@', code: 'DIGEST_INVALID' },
    { text: 'https://quay.io/a', code: 'NAME_INVALID' },
    { text: 'user@quay.io/a', code: 'DIGEST_INVALID' },
  ];
  for (const { text, code } of wrong) {
    test(`"${text}" is ${code}`, () => expect(() => parseReference(text)).toThrow(expect.objectContaining({ code })));
  }

  test('what is written is read back', () => {
    const parts = fc.record(
      {
        host: fc.constantFrom('quay.io', 'localhost:5000', 'a.b.example:1', '[::1]:80'),
        repository: arbitraryRepository,
        tag: arbitraryTag,
        digest: arbitraryDigest,
      },
      { requiredKeys: ['host', 'repository'] },
    );
    fc.assert(fc.property(parts, (reference) => expect(parseReference(formatReference(reference))).toEqual(reference)));
  });
});
