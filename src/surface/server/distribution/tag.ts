import { Bounds, buildRequest } from '#core/oci';
import type { Handlers } from './exchange.ts';
import { answerJson } from './reply.ts';

/** The Link header of a page that is not the last. RFC 5988. */
export function linkTo(path: string): { readonly link: string } {
  return { link: `<${path}>; rel="next"` };
}

export const tagHandlers: Pick<Handlers, 'tags'> = {
  /** end-8: a page of tags, never more than `Bounds.pageNames` whatever is asked for; a Link says where the next begins. */
  async tags(request, exchange) {
    const { repository, n, last, ns } = request;
    const limit = Math.min(n ?? Bounds.pageNames, Bounds.pageNames);
    const after = last === undefined || last === '' ? {} : { after: last };
    // n=0 asks for none, but of an unknown repository it is an error still.
    const page = { limit: Math.max(1, limit), ...after };
    const { value, served } = await exchange.env.registry.tags(repository, page, exchange.call);
    exchange.served = served;
    const tags = limit === 0 ? [] : value.items;
    const next =
      limit === 0 || value.next === undefined
        ? {}
        : linkTo(
            buildRequest({ kind: 'tags', repository, n: limit, last: value.next, ...(ns === undefined ? {} : { ns }) })
              .path,
          );
    return answerJson(exchange, JSON.stringify({ name: repository, tags }), next);
  },
};
