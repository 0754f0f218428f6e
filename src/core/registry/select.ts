import { isDigest, RegistryError, type RepositoryName } from '#core/oci';
import { manifestUnknown, nameUnknown, servedBy } from './answer.ts';
import { forwardExtras } from './extras.ts';
import { filteredPage, servedFilteredPage } from './filtered-page.ts';
import { around, type Operation } from './operation.ts';
import type { Registry } from './types.ts';

export type Selection = {
  readonly repositories?: (repository: RepositoryName) => boolean;
  readonly tags?: (tag: string, repository: RepositoryName) => boolean;
};
const everything = () => true;

/**
 * The part of a registry that a selection names. The rest is as if it were not there: unknown to readers, absent
 * from lists, DENIED to writers. Content is found by its digest whatever tags it has.
 */
export function select(next: Registry, selection: Selection): Registry {
  const { repositories = everything, tags = everything } = selection;
  const checked = around(next, async (operation, proceed) => {
    checkSelected(operation, { repositories, tags });
    return await proceed();
  });
  return {
    ...checked,
    repositories: (options, call) =>
      servedFilteredPage((page) => next.repositories(page, call), { ...options, keep: repositories, nameOf: String }),
    tags: (repository, options, call) =>
      servedFilteredPage((page) => checked.tags(repository, page, call), {
        ...options,
        keep: (tag) => tags(tag, repository),
        nameOf: String,
      }),
    // Spec: a referrers request is never answered "not found".
    referrers: async (repository, digest, options, call) =>
      repositories(repository)
        ? await checked.referrers(repository, digest, options, call)
        : servedBy('select', { items: [], filtered: false }),
    mountBlob: (repository, digest, options, call) => {
      const mayRead = async (from: RepositoryName) => repositories(from) && (await options.mayRead(from));
      return checked.mountBlob(repository, digest, { ...options, mayRead }, call);
    },
    extras: forwardExtras(checked, {
      tagDigests: (list) => (repository, options, call) =>
        filteredPage((page) => list(repository, page, call), {
          ...options,
          keep: ({ tag }) => tags(tag, repository),
          nameOf: ({ tag }) => tag,
        }),
      ensureRepository: 'forward',
      capabilities: 'forward',
    }),
  };
}

function checkSelected(operation: Operation, { repositories, tags }: Required<Selection>): void {
  const { action, repository, reference, tags: pushed = [] } = operation;
  if (repository === undefined) return;
  const reads = action === 'pull' || action === 'list';
  if (!repositories(repository)) throw reads ? nameUnknown(repository) : notSelected(repository);
  const asked = reference === undefined || isDigest(reference) ? pushed : [...pushed, reference];
  for (const tag of asked) {
    if (tags(tag, repository)) continue;
    throw reads ? manifestUnknown(repository, tag) : notSelected(`${repository}:${tag}`);
  }
}

function notSelected(what: string): RegistryError {
  return new RegistryError('DENIED', `${what} is not selected here`);
}
