import { Bounds, type Descriptor, type Digest, isRegistryError, RegistryError, type RepositoryName } from '#core/oci';
import { messageOf } from '#core/std';
import { nameUnknown, pageOf } from '../answer.ts';
import type { Call, Lister, Page, PageOptions, ReferrersOptions } from '../types.ts';
import { passOver } from './ask.ts';
import type { Shown } from './name.ts';
import type { View } from './unified.ts';

/** Lists of all members as one. A member that is down is left out with a warning, or fails the list, as it says. */
export function unifiedLister(view: View): Lister {
  return {
    async repositories(options, call) {
      const { results, warnings } = await fromEach(view.all, (member) => repositoriesOf(view, member, options, call));
      return { value: merged(results, options), served: { by: view.namespace, warnings } };
    },
    async tags(repository, options, call) {
      const below = view.below(repository);
      const { results, warnings } = await fromEach(
        view.members(below),
        async ({ registry, naming }) => (await registry.tags(naming.full(below), options, call)).value,
      );
      // Somebody who could not say whether there is such a repository has stood in the way before this.
      if (results.length === 0) throw nameUnknown(repository);
      return { value: merged(results, options), served: { by: view.namespace, warnings } };
    },
    async referrers(repository, digest, options, call) {
      const below = view.below(repository);
      const { results, warnings } = await fromEach(view.members(below), (member) =>
        allReferrers(member, { repository: member.naming.full(below), digest, options }, call),
      );
      const items = new Map<Digest, Descriptor>();
      for (const { items: found } of results) for (const each of found) items.set(each.digest, each);
      const filtered = results.length > 0 && results.every((each) => each.filtered);
      return { value: { items: [...items.values()], filtered }, served: { by: view.namespace, warnings } };
    },
  };
}

type FromEach<T> = { readonly results: readonly T[]; readonly warnings: readonly string[] };

async function fromEach<T>(members: readonly Shown[], ask: (member: Shown) => Promise<T>): Promise<FromEach<T>> {
  const results: T[] = [];
  const warnings: string[] = [];
  let failure: RegistryError | undefined;
  for (const member of members) {
    try {
      results.push(await ask(member));
    } catch (thrown) {
      const left = passOver(member, thrown);
      if (!left) continue;
      failure ??= left;
      warnings.push(`what ${member.namespace} has is not listed: ${messageOf(left)}`);
    }
  }
  // With nobody's answer at all the outage is the answer.
  if (results.length === 0 && failure && !isRegistryError(failure, 'UNSUPPORTED')) throw failure;
  return { results, warnings };
}

/** Pages that all begin after the same name make one page that does. */
function merged<T extends string>(pages: readonly Page<T>[], options: PageOptions): Page<T> {
  const names = [...new Set(pages.flatMap(({ items }) => items))].sort();
  // What lies behind the end of a page that goes on is not known yet: nothing past it may be listed.
  const horizons = pages.flatMap(({ items, next }) => (next === undefined ? [] : [items.at(-1) ?? '']));
  const horizon = horizons.sort()[0];
  const known = horizon === undefined ? names : names.filter((name) => name <= horizon);
  const page = pageOf(known, { limit: options.limit });
  const last = page.items.at(-1);
  const goesOn = page.next !== undefined || known.length < names.length || horizon !== undefined;
  return goesOn && last !== undefined ? { items: page.items, next: last } : { items: page.items };
}

/** A member's registry may hold the names of other namespaces too: those are not read to their end. */
async function repositoriesOf(
  view: View,
  member: Shown,
  { after, limit }: PageOptions,
  call: Call,
): Promise<Page<RepositoryName>> {
  const { registry, namespace } = member;
  const past = `${namespace}0`; // "0" follows "/": every name of the namespace comes before it.
  const found: RepositoryName[] = [];
  let position: string | undefined = memberNameOf(view, member, after);
  do {
    const options = { limit: Bounds.pageNames, ...(position === undefined ? {} : { after: position }) };
    const { items, next } = (await registry.repositories(options, call)).value;
    found.push(...items.flatMap((name) => virtualName(view, member, name)).filter((name) => name > (after ?? '')));
    position = (items.at(-1) ?? '') > past ? undefined : next;
  } while (position !== undefined && found.length <= limit);
  return pageOf(found, { limit });
}

/** Where a list goes on, in the member's names. It need not be a name: a list may begin after any text. */
function memberNameOf(view: View, { namespace }: Shown, after: string | undefined): string | undefined {
  const below = after === undefined ? undefined : view.naming.below(after as RepositoryName);
  return below === undefined || below === '' ? undefined : `${namespace}/${below}`;
}

function virtualName(view: View, member: Shown, name: RepositoryName): RepositoryName[] {
  const below = member.naming.below(name);
  return below === undefined || !member.shows(below) ? [] : [view.naming.full(below)];
}

type Asked = { readonly repository: RepositoryName; readonly digest: Digest; readonly options: ReferrersOptions };

/** Referrers of one manifest that are put together; a list this long is no list of signatures. */
const MAX_REFERRERS = 10_000;

async function allReferrers({ registry }: Shown, { repository, digest, options }: Asked, call: Call) {
  const items: Descriptor[] = [];
  let filtered = true;
  let after: string | undefined;
  do {
    const page = { ...options, ...(after === undefined ? {} : { after }) };
    const { value } = await registry.referrers(repository, digest, page, call);
    items.push(...value.items);
    filtered &&= value.filtered;
    after = value.next;
    if (items.length > MAX_REFERRERS) {
      throw new RegistryError('UNSUPPORTED', `${digest} has more than ${MAX_REFERRERS} referrers`, {
        hint: `ask ${repository} itself, which lists them by pages`,
      });
    }
  } while (after !== undefined);
  return { items, filtered };
}
