import { isRegistryError, RegistryError, type RepositoryName } from '#core/oci';
import { messageOf } from '#core/std';
import { pageOf, servedBy } from './answer.ts';
import { filteredPage } from './filtered-page.ts';
import type { Call, Extras, Page, PageOptions, Registry, Served } from './types.ts';

/** Registries by the first segments of the names they answer for; the empty prefix answers for all others. */
export type Routes = Readonly<Record<string, Registry>>;

type Find = (repository: string) => Registry | undefined;

/**
 * Several registries as one: the longest prefix of whole segments decides who answers. Names are passed on as they
 * are. A name that no prefix matches is NAME_UNKNOWN; lists of repositories are merged.
 */
export function routed(routes: Routes): Registry {
  const find = finder(routes);
  const to = (repository: RepositoryName) => {
    const registry = find(repository);
    if (!registry) throw uncovered(repository);
    return registry;
  };
  return {
    resolveManifest: async (repository, ...rest) => await to(repository).resolveManifest(repository, ...rest),
    resolveBlob: async (repository, ...rest) => await to(repository).resolveBlob(repository, ...rest),
    getManifest: async (repository, ...rest) => await to(repository).getManifest(repository, ...rest),
    getBlob: async (repository, ...rest) => await to(repository).getBlob(repository, ...rest),
    tags: async (repository, ...rest) => await to(repository).tags(repository, ...rest),
    // Spec: a referrers request is never answered "not found".
    referrers: async (repository, ...rest) =>
      (await find(repository)?.referrers(repository, ...rest)) ?? servedBy('routed', { items: [], filtered: false }),
    repositories: (options, call) => mergedRepositories(routes, find, options, call),
    putManifest: async (repository, ...rest) => await to(repository).putManifest(repository, ...rest),
    putBlob: async (repository, ...rest) => await to(repository).putBlob(repository, ...rest),
    startUpload: async (repository, ...rest) => await to(repository).startUpload(repository, ...rest),
    openUpload: async (repository, ...rest) => await to(repository).openUpload(repository, ...rest),
    async mountBlob(repository, digest, options, call) {
      const target = to(repository);
      // What another registry holds cannot be linked here.
      if (options.from === undefined || find(options.from) === target) {
        return await target.mountBlob(repository, digest, options, call);
      }
      return { kind: 'upload', upload: await target.startUpload(repository, {}, call) };
    },
    deleteTag: async (repository, ...rest) => await to(repository).deleteTag(repository, ...rest),
    deleteManifest: async (repository, ...rest) => await to(repository).deleteManifest(repository, ...rest),
    deleteBlob: async (repository, ...rest) => await to(repository).deleteBlob(repository, ...rest),
    extras: routedExtras(routes, to),
  };
}

function uncovered(repository: RepositoryName): RegistryError {
  return new RegistryError('NAME_UNKNOWN', `there is no repository ${repository}`, {
    detail: { name: repository },
    why: 'no namespace of this registry covers the name',
    hint: 'ask by the full name here, such as NAMESPACE/NAME, or as a mirror of its registry with ?ns=',
  });
}

function finder(routes: Routes): Find {
  const registries = new Map(Object.entries(routes));
  return (repository) => {
    let prefix = repository;
    while (prefix !== '') {
      const registry = registries.get(prefix);
      if (registry) return registry;
      prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf('/')));
    }
    return registries.get('');
  };
}

/** An ability is there when all have it; making repositories, when one needs it. */
function routedExtras(routes: Routes, to: (repository: RepositoryName) => Registry): Extras {
  const members = Object.values(routes);
  const all = members.every(({ extras }) => extras.tagDigests !== undefined);
  const some = members.some(({ extras }) => extras.ensureRepository !== undefined);
  return {
    ...(all
      ? {
          tagDigests: async (repository, options, call) =>
            (await to(repository).extras.tagDigests?.(repository, options, call)) ?? { items: [] },
        }
      : {}),
    ...(some
      ? {
          ensureRepository: async (repository, call) =>
            await to(repository).extras.ensureRepository?.(repository, call),
        }
      : {}),
    capabilities: (repository) => to(repository).extras.capabilities?.(repository) ?? {},
  };
}

/** A registry that cannot list its repositories is left out, and the answer says so. */
async function mergedRepositories(
  routes: Routes,
  find: Find,
  options: PageOptions,
  call: Call,
): Promise<Served<Page<RepositoryName>>> {
  const names: RepositoryName[] = [];
  const warnings: string[] = [];
  let more = false;
  for (const registry of new Set(Object.values(routes))) {
    try {
      const page = await filteredPage(async (each) => (await registry.repositories(each, call)).value, {
        ...options,
        // A member may hold names that are another's by their prefix.
        keep: (name) => find(name) === registry,
        nameOf: String,
      });
      names.push(...page.items);
      more ||= page.next !== undefined;
    } catch (thrown) {
      if (!isRegistryError(thrown, 'UNSUPPORTED')) throw thrown;
      warnings.push(`repositories under ${prefixesOf(routes, registry)} are not listed: ${messageOf(thrown)}`);
    }
  }
  const merged = pageOf(names.sort(), { limit: options.limit });
  const last = merged.items.at(-1);
  const value = more && last !== undefined ? { items: merged.items, next: last } : merged;
  return { value, served: { by: 'routed', warnings } };
}

function prefixesOf(routes: Routes, registry: Registry): string {
  const prefixes = Object.entries(routes).flatMap(([prefix, each]) => (each === registry ? [prefix || '/'] : []));
  return prefixes.join(', ');
}
