import { Bounds, buildRequest, type RepositoryName, type TagName, tryParseRepository, tryParseTag } from '#core/oci';
import type { Call, Page, PageOptions, Served } from '#core/registry';
import { type Context, send, servedBy } from './context.ts';
import { isCursor, listBody, namesPage, pageUrl, unsupportedList } from './page.ts';

/** The tags of a repository, page by page. */
export async function tags(
  context: Context,
  repository: RepositoryName,
  options: PageOptions,
  call: Call,
): Promise<Served<Page<TagName>>> {
  const request = { kind: 'tags', repository, ...firstPage(options) } as const;
  const url = pageUrl(new URL(buildRequest(request).path, context.registry), options.after);
  const answer = await send(context, request, { accept: [200], unknown: 'NAME_UNKNOWN', url }, call);
  const values = (await listBody(answer)).tags;
  const { page, warnings } = namesPage({
    ...options,
    after: options.after,
    answer,
    values,
    parse: tryParseTag,
    what: 'tags',
  });
  return { value: page, served: servedBy(context, answer, warnings) };
}

/** Statuses by which registries say that they have no catalog, or none for us. */
const NO_CATALOG: readonly number[] = [404, 405, 501];

/** The repositories of a registry. Throws UNSUPPORTED. */
export async function repositories(
  context: Context,
  options: PageOptions,
  call: Call,
): Promise<Served<Page<RepositoryName>>> {
  const request = { kind: 'catalog', ...firstPage(options) } as const;
  const url = pageUrl(new URL(buildRequest(request).path, context.registry), options.after);
  const answer = await send(context, request, { accept: [200, ...NO_CATALOG], unknown: 'UNSUPPORTED', url }, call);
  if (answer.status !== 200) {
    await answer.drop();
    throw unsupportedList(answer, 'repositories');
  }
  const values = (await listBody(answer)).repositories;
  const { page, warnings } = namesPage({
    after: options.after,
    limit: options.limit,
    answer,
    values,
    parse: tryParseRepository,
    what: 'repositories',
  });
  return { value: page, served: servedBy(context, answer, warnings) };
}

/** `n` and `last` of a page that is asked for by name; a cursor brings its own. */
function firstPage({ after, limit }: PageOptions): { n: number; last?: string } {
  // ECR refuses more than 1000 (google/go-containerregistry#1091).
  const n = Math.max(1, Math.min(limit, Bounds.pageNames));
  return after === undefined || isCursor(after) ? { n } : { n, last: after };
}
