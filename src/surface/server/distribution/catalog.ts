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

/** Pages on until the page is full of visible names, or enough was looked at: then the page is short and has a Link. */
async function visibleRepositories(
  exchange: Exchange,
  limit: number,
  last: string | undefined,
): Promise<Page<RepositoryName>> {
  const { registry, limits } = exchange.env;
  const isVisible = mayRead(exchange);
  const items: RepositoryName[] = [];
  let after = last;
  for (let scanned = 0; scanned < limits.catalogScan; ) {
    const wanted = limit - items.length;
    const options = { limit: wanted, ...(after === undefined ? {} : { after }) };
    const { value, served } = await registry.repositories(options, exchange.call);
    exchange.served = served;
    for (const name of value.items) if (await isVisible(name)) items.push(name);
    if (value.next === undefined) return { items };
    after = value.next;
    if (items.length >= limit) break;
    scanned += wanted;
  }
  return after === undefined ? { items } : { items, next: after };
}
