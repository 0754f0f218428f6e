/** Longer than any cursor seen in the field. */
const MAX_LINK_LENGTH = 8192;

/**
 * The target of `rel="next"` in a `Link` header, or undefined when there is none.
 * RFC 8288; spec, "Listing Tags": an absent Link is the last page.
 */
export function parseNextLink(header: string | null): string | undefined {
  if (header === null || header.length > MAX_LINK_LENGTH) return undefined;
  for (const match of header.matchAll(/<([^<>]*)>((?:\s*;\s*[^;,"]+(?:"[^"]*")?)*)/g)) {
    const [, target = '', parameters = ''] = match;
    // Some send a Link without any rel; only next is ever sent in lists.
    const rel = /;\s*rel\s*=\s*"?([^";]*)"?/i.exec(parameters)?.[1];
    if (target !== '' && (rel === undefined || rel.trim().split(/\s+/).includes('next'))) return target;
  }
  return undefined;
}
