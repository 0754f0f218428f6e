import type { RepositoryName } from '#core/oci';
import type { Registry } from '#core/registry';

/**
 * One registry elsewhere that is used under several names of ours: `pick` says which client a repository is for,
 * `whole` is asked what is no repository's (the list of them).
 */
export function byRepository(pick: (repository: RepositoryName) => Registry, whole: Registry): Registry {
  return {
    resolveManifest: (repository, ...rest) => pick(repository).resolveManifest(repository, ...rest),
    resolveBlob: (repository, ...rest) => pick(repository).resolveBlob(repository, ...rest),
    getManifest: (repository, ...rest) => pick(repository).getManifest(repository, ...rest),
    getBlob: (repository, ...rest) => pick(repository).getBlob(repository, ...rest),
    repositories: (options, call) => whole.repositories(options, call),
    tags: (repository, ...rest) => pick(repository).tags(repository, ...rest),
    referrers: (repository, ...rest) => pick(repository).referrers(repository, ...rest),
    putManifest: (repository, ...rest) => pick(repository).putManifest(repository, ...rest),
    putBlob: (repository, ...rest) => pick(repository).putBlob(repository, ...rest),
    startUpload: (repository, ...rest) => pick(repository).startUpload(repository, ...rest),
    openUpload: (repository, ...rest) => pick(repository).openUpload(repository, ...rest),
    async mountBlob(repository, digest, options, call) {
      const target = pick(repository);
      // One name of ours may not read what another may: uploaded instead.
      const isOneName = options.from === undefined || pick(options.from) === target;
      if (isOneName) return await target.mountBlob(repository, digest, options, call);
      return { kind: 'upload', upload: await target.startUpload(repository, {}, call) };
    },
    deleteTag: (repository, ...rest) => pick(repository).deleteTag(repository, ...rest),
    deleteManifest: (repository, ...rest) => pick(repository).deleteManifest(repository, ...rest),
    deleteBlob: (repository, ...rest) => pick(repository).deleteBlob(repository, ...rest),
    extras: { capabilities: (repository) => pick(repository).extras.capabilities?.(repository) ?? {} },
  };
}
