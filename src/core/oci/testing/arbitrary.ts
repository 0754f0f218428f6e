import fc from 'fast-check';
import { parseDigest } from '../digest.ts';
import { parseRepository, parseTag } from '../name.ts';

// The grammar of names as generators, for property tests.
const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
const separator = fc.oneof(fc.constantFrom('.', '_', '__', '-', '--', '---'));
const segment = fc
  .tuple(word, fc.array(fc.tuple(separator, word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.map(([mark, next]) => mark + next).join(''));
/** Words of the grammar are legal names too, which is where a parser goes wrong. */
const trap = fc.constantFrom('v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', 'latest');

export const arbitraryRepository = fc
  .array(fc.oneof({ weight: 3, arbitrary: segment }, { weight: 1, arbitrary: trap }), { minLength: 1, maxLength: 6 })
  .map((segments) => parseRepository(segments.join('/')));
export const arbitraryTag = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/).map(parseTag);
export const arbitraryDigest = fc.oneof(
  fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => parseDigest(`sha256:${hex}`)),
  fc.stringMatching(/^[0-9a-f]{128}$/).map((hex) => parseDigest(`sha512:${hex}`)),
);
