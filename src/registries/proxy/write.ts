import { RegistryError, type RepositoryName } from '#core/oci';
import type { Deleter, Writer } from '#core/registry';
import type { ProxyContext } from './context.ts';

/** Nobody writes a cache but the proxy itself: what is here is what the upstream has. */
export function refusedWrites(context: ProxyContext): Writer & Deleter {
  const { host, namespace } = context;
  const refuse = async (repository: RepositoryName, remedy: (there: string) => string): Promise<never> => {
    const there = context.findPlace(repository).upstream[0] ?? repository;
    throw new RegistryError('DENIED', `${repository} is a copy of ${host}/${there}: only the proxy itself writes it`, {
      detail: { name: repository, rule: `${namespace} is a proxy` },
      hint: remedy(`${host}/${there}`),
    });
  };
  const push = (repository: RepositoryName) =>
    refuse(repository, (there) => `push to ${there}, or to a hosted namespace here`);
  const remove = (repository: RepositoryName) =>
    refuse(
      repository,
      (there) => `delete it at ${there}; whoever runs this registry forgets the copy with: entrepot image delete`,
    );
  return {
    putManifest: push,
    putBlob: push,
    startUpload: push,
    openUpload: push,
    mountBlob: push,
    deleteTag: remove,
    deleteManifest: remove,
    deleteBlob: remove,
  };
}
