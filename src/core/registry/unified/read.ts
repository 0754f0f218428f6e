import { type Digest, isDigest, type ManifestReference, type RepositoryName } from '#core/oci';
import { blobUnknown, manifestUnknown, nameUnknown } from '../answer.ts';
import type { Reader } from '../types.ts';
import { askInOrder } from './ask.ts';
import type { View } from './unified.ts';

/** Reads: the first member that has it answers, and what a manifest names is asked of who gave the manifest. */
export function unifiedReader(view: View): Reader {
  const { pins } = view;
  const askManifest = async <T>(
    repository: RepositoryName,
    reference: ManifestReference,
    ask: (reader: Reader, name: RepositoryName) => Promise<T>,
  ) => {
    const below = view.below(repository);
    const members = isDigest(reference) ? view.membersFor(below, reference) : view.members(below);
    const answered = await askInOrder(
      members,
      ({ registry, naming }) => ask(registry, naming.full(below)),
      (isNameKnown) => (isNameKnown ? manifestUnknown(repository, reference) : nameUnknown(repository)),
    );
    return { below, ...answered };
  };
  const askBlob = async <T>(
    repository: RepositoryName,
    digest: Digest,
    ask: (reader: Reader, name: RepositoryName) => Promise<T>,
  ): Promise<T> => {
    const below = view.below(repository);
    const { member, answer } = await askInOrder(
      view.membersFor(below, digest),
      ({ registry, naming }) => ask(registry, naming.full(below)),
      (isNameKnown) => (isNameKnown ? blobUnknown(repository, digest) : nameUnknown(repository)),
    );
    pins.add(below, digest, member);
    return answer;
  };
  return {
    async resolveManifest(repository, reference, call) {
      const { below, member, answer } = await askManifest(repository, reference, (registry, name) =>
        registry.resolveManifest(name, reference, call),
      );
      pins.add(below, answer.value.digest, member);
      return answer;
    },
    async getManifest(repository, reference, call) {
      const { below, member, answer } = await askManifest(repository, reference, (registry, name) =>
        registry.getManifest(name, reference, call),
      );
      pins.addManifest(below, answer.value, member);
      return answer;
    },
    resolveBlob: (repository, digest, call) =>
      askBlob(repository, digest, (registry, name) => registry.resolveBlob(name, digest, call)),
    getBlob: (repository, digest, options, call) =>
      askBlob(repository, digest, (registry, name) => registry.getBlob(name, digest, options, call)),
  };
}
