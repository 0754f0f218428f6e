/**
 * Keys that the file will have, by the shape of their path (`*` is any name).
 * Accepting them now would promise what does not happen: a mirror with `verify` that verifies nothing.
 */
const LATER = new Set([
  'limits',
  'trust',
  'notifications',
  'platforms',
  'access.issuers',
  'storage.blobs',
  'storage.catalog',
  'storage.cache',
  'mirrors.*.verify',
  'mirrors.*.schedule',
  'mirrors.*.prune',
  'mirrors.*.tags.keep',
  'mirrors.*.tags.map',
  'mirrors.*.tags.floating',
]);

export function isLaterKey(path: readonly PropertyKey[]): boolean {
  const plain = path.map(String);
  return LATER.has(plain.join('.')) || LATER.has(plain.map((part, at) => (at === 1 ? '*' : part)).join('.'));
}
