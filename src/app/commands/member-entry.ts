import { isRegistryError, type ManifestReference, type RepositoryName, tryParseRepository } from '#core/oci';
import type { Call } from '#core/registry';
import { compileGlob } from '#core/std';
import { type MemberConfig, memberOf, namespaceOf } from '#surface/config';
import type { CacheEntry } from '#surface/server/api';
import type { App } from '../compose.ts';
import { cacheEntryOf } from './proxy-view.ts';

export type Sought = { readonly repository: RepositoryName; readonly reference: ManifestReference };

/**
 * What a cache knows of an image: of a virtual namespace, that of the member which would answer. Undefined where no proxy
 * would. Nobody is asked.
 */
export async function findCacheEntry(app: App, sought: Sought, call: Call): Promise<CacheEntry | undefined> {
  const { repository, reference } = sought;
  const proxy = app.proxyOf(repository);
  if (proxy) return cacheEntryOf(await proxy.explain(proxy.canonicalName(repository), reference, call));
  const namespace = namespaceOf(app.config.namespaces, repository) ?? '';
  const entry = app.config.namespaces?.[namespace];
  if (entry?.type !== 'virtual') return undefined;
  let refused: CacheEntry | undefined;
  for (const member of entry.members.map(memberOf)) {
    const name = shownAs(app, member, repository.slice(namespace.length + 1));
    if (name === undefined) continue;
    const there = { repository: name, reference };
    const found = await findCacheEntry(app, there, call);
    if (found && found.next !== 'denied' && found.next !== 'negative') return found;
    refused ??= found;
    if (!found && (await isHosted(app, there, call))) return undefined;
  }
  return refused;
}

/** The name at a member, if the member's filters show it under either of its names (`redis`, `library/redis`). */
function shownAs(app: App, member: MemberConfig, below: string): RepositoryName | undefined {
  const name = tryParseRepository(`${member.namespace}/${below}`);
  if (name === undefined) return undefined;
  const canonical = app.proxyOf(name)?.canonicalName(name) ?? name;
  const meanings = [below, canonical.slice(member.namespace.length + 1)];
  const fits = (globs: readonly string[]) => globs.some((glob) => meanings.some(compileGlob(glob)));
  return fits(member.deny) || (member.allow.length > 0 && !fits(member.allow)) ? undefined : canonical;
}

async function isHosted({ shelves }: App, { repository, reference }: Sought, call: Call): Promise<boolean> {
  try {
    await shelves.resolveManifest(repository, reference, call);
    return true;
  } catch (thrown) {
    if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) return false;
    throw thrown;
  }
}
