import { RegistryError, type RepositoryName } from '#core/oci';
import type { Deleter, Writer } from '#core/registry';
import type { ProxyContext } from './context.ts';

/** Nobody writes a cache but the proxy itself: what is here is what the upstream has. */
export function refusedWrites(context: ProxyContext): Writer & Deleter {
  const { host, namespace } = context;
  const refuse = async (repository: RepositoryName): Promise<never> => {
    const there = context.findPlace(repository).upstream[0] ?? repository;
    throw new RegistryError('DENIED', `${repository} is a copy of ${host}/${there}: only the proxy itself writes it`, {
      detail: { name: repository, rule: `${namespace} is a proxy` },
      hint: `push to ${host}/${there}, or to a hosted namespace here`,
    });
  };
  return {
    putManifest: refuse,
    putBlob: refuse,
    startUpload: refuse,
    openUpload: refuse,
    mountBlob: refuse,
    deleteTag: refuse,
    deleteManifest: refuse,
    deleteBlob: refuse,
  };
}
