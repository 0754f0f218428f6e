import { Bounds, buildRequest, type RepositoryName } from '#core/oci';
import type { Page } from '#core/registry';
import { type Exchange, type Handlers, mayRead } from './exchange.ts';
import { answerJson } from './reply.ts';
import { linkTo } from './tag.ts';

export const catalogHandlers: Pick<Handlers, 'catalog'> = {
  /** The older `_catalog`: names of the repositories that the caller may pull, a page at a time. */
  async catalog({ n, last }, exchange) {
    const limit = Math.min(n ?? Bounds.pageNames, Bounds.pageNames);
    if (limit === 0) return answerJson(exchange, '{"repositories":[]}');
    const { items, next } = await visibleRepositories(exchange, limit, last === '' ? undefined : last);
    const link = next === undefined ? {} : linkTo(buildRequest({ kind: 'catalog', n: limit, last: next }).path);
    return answerJson(exchange, JSON.stringify({ repositories: items }), link);
  },
};

/** Names looked at in one go where most are hidden: about a millisecond, between which other requests are served. */
const SCAN_NAMES = 1000;

/**
 * A full page of visible names, however many hidden ones lie between: a shorter page would have to say in its Link
 * where to go on, and so name a repository that the caller may not know of. Whoever leaves ends the search.
 */
async function visibleRepositories(
  exchange: Exchange,
  limit: number,
  last: string | undefined,
): Promise<Page<RepositoryName>> {
  const { registry, clock } = exchange.env;
  const isVisible = mayRead(exchange);
  const items: RepositoryName[] = [];
  let after = last;
  for (let names = limit; ; names = SCAN_NAMES) {
    const options = { limit: names, ...(after === undefined ? {} : { after }) };
    const { value, served } = await registry.repositories(options, exchange.call);
    exchange.served = served;
    for (const name of value.items) if (items.length < limit && (await isVisible(name))) items.push(name);
    const end = items.at(-1);
    const isLast = value.next === undefined && end === value.items.at(-1);
    if (items.length === limit && end !== undefined && !isLast) return { items, next: end };
    if (value.next === undefined) return { items };
    after = value.next;
    await clock.sleep(0, exchange.call.signal);
  }
}
