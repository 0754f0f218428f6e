import { Bounds, RegistryError } from '#core/oci';
import type { Page } from '#core/registry';
import type { Answer } from './answer.ts';
import { invalidError } from './failure.ts';
import { parseNextLink } from './link.ts';

/** A page's `next` that came from a Link: the query alone, told from a name by its question mark. */
const CURSOR = '?';

/**
 * The address of a page. A cursor brings only its query: the path stays ours,
 * so that a cursor from a stranger cannot lead our credentials to another repository.
 */
export function pageUrl(first: URL, after: string | undefined): URL {
  if (!after?.startsWith(CURSOR)) return first;
  const url = new URL(first);
  url.search = after;
  return url;
}

export function isCursor(after: string | undefined): boolean {
  return after?.startsWith(CURSOR) ?? false;
}

/** The cursor of the next page, from the answer's Link. Throws UPSTREAM_INVALID for a Link that leads away or in a circle. */
export function nextCursor(answer: Answer): string | undefined {
  const link = parseNextLink(answer.headers.get('link'));
  if (link === undefined) return undefined;
  const { url } = answer.at;
  if (!URL.canParse(link, url.href)) throw invalidError(answer.at, 'its Link is not a URL');
  const next = new URL(link, url);
  // Behind a proxy that ends TLS the scheme may be wrong; the host may not.
  if (next.hostname !== url.hostname) throw invalidError(answer.at, `its Link leads to ${next.host}`);
  if (next.search === '' || next.search === url.search)
    throw invalidError(answer.at, 'its Link leads to the same page');
  if (next.search.length > Bounds.urlLength) throw invalidError(answer.at, 'its Link is too long');
  return next.search;
}

/** The JSON object of a list's answer. */
export async function listBody(answer: Answer): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await answer.bytes(Bounds.listBodyBytes, () =>
    invalidError(answer.at, `its list is longer than ${Bounds.listBodyBytes} bytes`),
  );
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof json === 'object' && json !== null) return json as Readonly<Record<string, unknown>>;
  } catch {
    // Falls through: the parser's words say nothing about the registry.
  }
  throw invalidError(answer.at, 'its list is not a JSON object');
}

export type Names<T> = {
  readonly answer: Answer;
  readonly values: unknown;
  readonly parse: (text: string) => T | undefined;
  readonly what: string;
  readonly after: string | undefined;
  readonly limit: number;
};

/** Names in the byte order of the contract, without what are no names, and a warning about those. */
export function namesPage<T extends string>(names: Names<T>): { page: Page<T>; warnings: string[] } {
  const { answer, after, limit } = names;
  const values = Array.isArray(names.values) ? names.values : [];
  const parsed = values.flatMap((value) => (typeof value === 'string' ? (names.parse(value) ?? []) : []));
  const odd = values.length - parsed.length;
  const warnings = odd === 0 ? [] : [`${answer.at.registry} listed ${odd} ${names.what} with illegal names: left out`];
  // A page of none is asked for as one of one: many take n=0 for nonsense.
  if (limit === 0) return { page: { items: [] }, warnings };
  // `next` is decided before sorting: the registry's order is the one that its cursor knows.
  const next = nextCursor(answer);
  const sorted = [...new Set(parsed)].sort(byBytes);
  if (next !== undefined || isCursor(after)) return { page: { items: sorted, ...(next ? { next } : {}) }, warnings };
  // No Link: the last page, or a registry that knows neither `n` nor `last` and sent everything.
  const rest = after === undefined ? sorted : sorted.filter((name) => byBytes(name, after) > 0);
  if (rest.length <= limit || limit >= Bounds.pageNames) return { page: { items: rest }, warnings };
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return { page: { items, ...(last === undefined ? {} : { next: last }) }, warnings };
}

/** Names are ASCII: their order as text is the order of their bytes. */
function byBytes(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** A list that a registry does not have. */
export function unsupportedList(answer: Answer, what: string): RegistryError {
  return new RegistryError('UNSUPPORTED', `${answer.at.registry} does not list its ${what}`, {
    origin: 'upstream',
    upstream: { registry: answer.at.registry, status: answer.status },
    hint: `name the ${what} yourself`,
  });
}
