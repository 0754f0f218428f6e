import { RegistryError } from '#core/oci';
import { looksLikeHost } from '#surface/config';
import type { Listed, ListOptions, TagItem } from '#surface/server/api';
import { allPages, listRepositories, listTags } from '../../commands/list.ts';
import { formatPlace, type Place, parsePlace } from '../../commands/place.ts';
import type { Session } from '../../commands/session.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';
import { formatTable } from '../table.ts';
import { limitOf, takeAll } from './limit.ts';

export const repositories: CommandRun = async (context, typed) => {
  const limit = limitOf(typed);
  const [host] = typed.words;
  if (host !== undefined && (!looksLikeHost(host) || host.includes('/'))) {
    throw new RegistryError('REQUEST_INVALID', `"${host}" is not a host`, {
      hint: 'write for example quay.io or registry:5000',
    });
  }
  const items = await context.withSession(async (session) => {
    if (host === undefined) {
      const operations = await session.operations();
      return takeAll(
        context,
        allPages((page) => operations.repositories(page)),
        limit,
      );
    }
    const registry = await session.host(host);
    return takeAll(
      context,
      allPages((page) => listRepositories(registry, page, session.call)),
      limit,
    );
  });
  context.answer({
    kind: 'Repository',
    items,
    text: () =>
      formatTable(
        context.io.stdout,
        ['repository'],
        items.map(({ name }) => [name]),
      ),
  });
  if (items.length === 0 && context.format === 'text') {
    context.note(`There are no repositories in ${host ?? (await context.config()).storage.path}.`);
  }
  return ExitCode.ok;
};

export const tags: CommandRun = async (context, typed) => {
  const limit = limitOf(typed);
  const place = parsePlace(typed.words[0] ?? '', await context.config());
  const items = await context.withSession(async (session) => {
    const list = await tagLister(session, place);
    return takeAll(context, allPages(list), limit);
  });
  const rows = items.map((tag) => [tag.name, tag.digest]);
  context.answer({ kind: 'Tag', items, text: () => formatTable(context.io.stdout, ['tag', 'digest'], rows) });
  if (items.length === 0 && context.format === 'text') context.note(`${formatPlace(place)} has no tags.`);
  return ExitCode.ok;
};

/** Here by the operations: of a proxied repository what is here is listed, and its upstream not asked for every tag. */
async function tagLister(session: Session, place: Place): Promise<(page: ListOptions) => Promise<Listed<TagItem>>> {
  if (place.kind === 'local') {
    const operations = await session.operations();
    return (page) => operations.tags(place.repository, page);
  }
  const shelf = await session.shelf(place);
  return (page) => listTags(shelf, page);
}
