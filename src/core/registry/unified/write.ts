import { RegistryError, type RepositoryName } from '#core/oci';
import type { Deleter, Extras, MountOptions, Registry, Writer } from '../types.ts';
import type { Shown } from './name.ts';
import type { View } from './unified.ts';

/** Writes go to one member, under its own names; without one they are refused. */
export function unifiedWriter(view: View): Writer & Deleter {
  const to = (repository: RepositoryName): { registry: Registry; name: RepositoryName; target: Shown } => {
    const below = view.below(repository);
    const { push: target } = view;
    if (!target) throw noPushTarget(view);
    if (!target.shows(below)) throw notShown(view, target, repository);
    return { registry: target.registry, name: target.naming.full(below), target };
  };
  return {
    async putManifest(repository, bytes, options, call) {
      const { registry, name } = to(repository);
      return await registry.putManifest(name, bytes, options, call);
    },
    async putBlob(repository, blob, body, call) {
      const { registry, name } = to(repository);
      return await registry.putBlob(name, blob, body, call);
    },
    async startUpload(repository, options, call) {
      const { registry, name } = to(repository);
      return await registry.startUpload(name, options, call);
    },
    async openUpload(repository, uploadId, call) {
      const { registry, name } = to(repository);
      return await registry.openUpload(name, uploadId, call);
    },
    async mountBlob(repository, digest, options, call) {
      const { registry, name, target } = to(repository);
      return await registry.mountBlob(name, digest, mountOptions(view, target, options), call);
    },
    async deleteTag(repository, tag, call) {
      const { registry, name } = to(repository);
      await registry.deleteTag(name, tag, call);
    },
    async deleteManifest(repository, digest, call) {
      const { registry, name } = to(repository);
      await registry.deleteManifest(name, digest, call);
    },
    async deleteBlob(repository, digest, call) {
      const { registry, name } = to(repository);
      await registry.deleteBlob(name, digest, call);
    },
  };
}

/** Rights are on the names asked for: what the target holds is mounted by whoever may read it by its virtual name. */
function mountOptions(view: View, target: Shown, { from, mayRead }: MountOptions): MountOptions {
  const virtual = from === undefined ? undefined : view.naming.below(from);
  const source = virtual === undefined ? from : target.naming.full(virtual);
  return {
    ...(source === undefined ? {} : { from: source }),
    async mayRead(holder) {
      const below = target.naming.below(holder);
      if (below === undefined) return await mayRead(holder);
      return target.shows(below) && (await mayRead(view.naming.full(below)));
    },
  };
}

/** Of who takes the pushes: nobody else needs them. */
export function unifiedExtras(view: View): Extras {
  const { push } = view;
  const { ensureRepository, capabilities } = push?.registry.extras ?? {};
  const nameAt = (target: Shown, repository: RepositoryName) => target.naming.full(view.below(repository));
  return {
    ...(push && ensureRepository
      ? { ensureRepository: (repository, call) => ensureRepository(nameAt(push, repository), call) }
      : {}),
    ...(push && capabilities ? { capabilities: (repository) => capabilities(nameAt(push, repository)) } : {}),
  };
}

function noPushTarget({ namespace }: View): RegistryError {
  return new RegistryError('DENIED', `${namespace} is a virtual namespace that takes no pushes`, {
    why: 'it shows what its members have, and none of them is its push target',
    hint: `push to a hosted namespace, or name one as namespaces.${namespace}.push`,
  });
}

function notShown({ namespace }: View, target: Shown, repository: RepositoryName): RegistryError {
  return new RegistryError('DENIED', `${repository} cannot be pushed`, {
    why: `the rules of ${namespace} for ${target.namespace}, where pushes go, do not let the name be seen`,
    hint: `correct allow or deny of ${target.namespace} under namespaces.${namespace}.members`,
  });
}
