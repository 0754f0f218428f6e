import {
  type Descriptor,
  type Digest,
  isDigest,
  type ManifestReference,
  MediaType,
  type RepositoryName,
  referrerDescriptor,
} from '#core/oci';
import {
  blobUnknown,
  type Extras,
  type Lister,
  manifestUnknown,
  nameUnknown,
  pageOf,
  type Reader,
  rangeWithin,
  servedBy,
} from '#core/registry';
import { type Content, digestAt, type Known, sortedTags, verifiedManifest } from './content.ts';
import { blobPath } from './index-file.ts';

export function readMethods(content: Content): Reader {
  return {
    async resolveManifest(repository, reference) {
      return servedBy(content.name, knownManifest(content, repository, reference).descriptor);
    },
    async getManifest(repository, reference) {
      const { descriptor } = knownManifest(content, repository, reference);
      const bytes = await verifiedManifest(content.files, descriptor.digest);
      if (!bytes) throw manifestUnknown(repository, reference);
      return servedBy(content.name, { descriptor, bytes });
    },
    async resolveBlob(repository, digest) {
      return servedBy(content.name, blobDescriptor(digest, await findBlob(content, repository, digest)));
    },
    async getBlob(repository, digest, { range }) {
      const file = await findBlob(content, repository, digest);
      const { start, end } = rangeWithin(file.size, range);
      const descriptor = blobDescriptor(digest, file);
      return servedBy(content.name, { kind: 'file', descriptor, file: file.slice(start, end) });
    },
  };
}

export function listMethods(content: Content): Lister {
  return {
    async repositories(options) {
      return servedBy(content.name, pageOf(content.exists ? [content.repository] : [], options));
    },
    async tags(repository, options) {
      if (!content.exists) throw nameUnknown(repository);
      return servedBy(content.name, pageOf(sortedTags(content), options));
    },
    async referrers(_repository, digest, { artifactTypes = [] }) {
      const items = [...content.manifests.values()].flatMap(({ descriptor, manifest }) =>
        manifest.subject?.digest === digest ? [referrerDescriptor(descriptor.digest, descriptor.size, manifest)] : [],
      );
      const wanted = items.filter(({ artifactType }) => artifactTypes.includes(artifactType ?? ''));
      const filtered = artifactTypes.length > 0;
      return servedBy(content.name, { items: filtered ? wanted : items, filtered });
    },
  };
}

export function layoutExtras(content: Content): Extras {
  return {
    async tagDigests(repository, options) {
      if (!content.exists) throw nameUnknown(repository);
      const { items, ...rest } = pageOf(sortedTags(content), options);
      const entries = items.flatMap((tag) => {
        const digest = digestAt(content, repository, tag);
        return digest === undefined ? [] : [{ tag, digest }];
      });
      return { ...rest, items: entries };
    },
    capabilities: () => ({ referrers: true, sparseIndex: true }),
  };
}

function knownManifest(content: Content, repository: RepositoryName, reference: ManifestReference): Known {
  if (!content.exists) throw nameUnknown(repository);
  const digest = isDigest(reference) ? reference : digestAt(content, repository, reference);
  const known = digest === undefined ? undefined : content.manifests.get(digest);
  if (!known) throw manifestUnknown(repository, reference);
  return known;
}

/** Throws NAME_UNKNOWN, BLOB_UNKNOWN. */
async function findBlob(content: Content, repository: RepositoryName, digest: Digest): Promise<Blob> {
  if (!content.exists) throw nameUnknown(repository);
  const file = await content.files.find(blobPath(digest));
  if (!file) throw blobUnknown(repository, digest);
  return file;
}

export function blobDescriptor(digest: Digest, { size }: { readonly size: number }): Descriptor {
  return { mediaType: MediaType.octets, digest, size };
}
