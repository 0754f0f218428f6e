import { buildRequest, MediaType, referrersIndex } from '#core/oci';
import type { Handlers } from './exchange.ts';
import { answerJson } from './reply.ts';
import { linkTo } from './tag.ts';

export const referrerHandlers: Pick<Handlers, 'referrers'> = {
  /** end-12: an index of what refers to a digest; never 404 for a subject that is not there. */
  async referrers(request, exchange) {
    const { repository, digest, artifactTypes, last } = request;
    const options = {
      ...(artifactTypes.length > 0 ? { artifactTypes } : {}),
      ...(last === undefined ? {} : { after: last }),
    };
    const { value, served } = await exchange.env.registry.referrers(repository, digest, options, exchange.call);
    exchange.served = served;
    const isFiltering = artifactTypes.length > 0;
    const items =
      isFiltering && !value.filtered
        ? value.items.filter((item) => item.artifactType !== undefined && artifactTypes.includes(item.artifactType))
        : value.items;
    return answerJson(exchange, referrersIndex(items), {
      'content-type': MediaType.ociIndex,
      ...(isFiltering ? { 'oci-filters-applied': 'artifactType' } : {}),
      ...(value.next === undefined ? {} : linkTo(buildRequest({ ...request, last: value.next }).path)),
    });
  },
};
