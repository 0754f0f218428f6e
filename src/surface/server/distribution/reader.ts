import { parseRequest, type RegistryRequest } from '#core/oci';

/** Paths kept: those of the images that a fleet pulls in one morning. At some 300 bytes each, 1 MB at most. */
const MOST_KEPT = 4096;

/**
 * `parseRequest`, which remembers what plain GETs mean: a fleet asks for the same few manifests over and over.
 * Meaning follows from the path alone, so that nothing here goes stale.
 */
export function createReader(): typeof parseRequest {
  const kept = new Map<string, RegistryRequest>();
  return (method, path, search = '') => {
    if (method !== 'GET' || search !== '') return parseRequest(method, path, search);
    const known = kept.get(path);
    if (known) return known;
    const request = parseRequest(method, path, search);
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(path, request);
    return request;
  };
}
