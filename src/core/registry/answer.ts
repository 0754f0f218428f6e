import { type Descriptor, type Digest, type ManifestReference, RegistryError, type RepositoryName } from '#core/oci';
import type { ByteStream } from '#core/std';
import type { BlobAnswer, ByteRange, Page, PageOptions, Served } from './types.ts';

/** An answer with the name of the registry that gave it. */
export function servedBy<T>(by: string, value: T): Served<T> {
  return { value, served: { by, warnings: NO_WARNINGS } };
}
const NO_WARNINGS: readonly string[] = [];

/** The part of a blob of `sizeBytes` that a range means. Throws RANGE_INVALID. */
export function rangeWithin(sizeBytes: number, range: ByteRange | undefined): { start: number; end: number } {
  if (!range) return { start: 0, end: sizeBytes };
  const end = Math.min(range.end ?? sizeBytes, sizeBytes);
  if (range.start >= 0 && range.start < end) return { start: range.start, end };
  throw new RegistryError('RANGE_INVALID', `bytes ${range.start} to ${range.end ?? 'the end'} are not in the blob`, {
    detail: { size: sizeBytes },
    hint: `the blob has ${sizeBytes} bytes`,
  });
}

/** One page of names that are sorted by their bytes. */
export function pageOf<T extends string>(sorted: readonly T[], { after, limit }: PageOptions): Page<T> {
  const start = after === undefined ? 0 : firstAfter(sorted, after);
  const items = sorted.slice(start, start + limit);
  const last = items.at(-1);
  return last === undefined || start + limit >= sorted.length ? { items } : { items, next: last };
}

function firstAfter(sorted: readonly string[], after: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bytes of a blob answer as a stream. A redirect has none: UNSUPPORTED. */
export function bodyOf(answer: BlobAnswer): ByteStream {
  if (answer.kind === 'stream') return answer.body;
  if (answer.kind === 'file') return answer.file.stream();
  throw new RegistryError('UNSUPPORTED', 'a redirect was answered where bytes are needed');
}

export function nameUnknown(repository: RepositoryName): RegistryError {
  return new RegistryError('NAME_UNKNOWN', `there is no repository ${repository}`, { detail: { name: repository } });
}

export function manifestUnknown(repository: RepositoryName, reference: ManifestReference): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `${repository} has no manifest ${reference}`, {
    detail: { name: repository, reference },
  });
}

export function blobUnknown(repository: RepositoryName, digest: Digest): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `${repository} has no blob ${digest}`, {
    detail: { name: repository, digest },
  });
}

export function uploadUnknown(repository: RepositoryName): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', `${repository} has no such upload`, {
    hint: 'it ended, expired or is somebody else’s: begin a new one',
  });
}

/** Content that a manifest needs and the repository has not. */
export function manifestBlobUnknown(repository: RepositoryName, digest: Digest): RegistryError {
  return new RegistryError('MANIFEST_BLOB_UNKNOWN', `${repository} has no ${digest}, which the manifest needs`, {
    detail: { name: repository, digest },
    hint: 'push it first',
  });
}

const DAMAGED = 'try again; if it stays, the content is damaged where it comes from';

/** A manifest that says of a blob what is not so: clients would refuse the image when they pull it. */
export function blobSizeMismatch(
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  actualBytes: number,
): RegistryError {
  return new RegistryError(
    'MANIFEST_INVALID',
    `the manifest says that ${digest} has ${size} bytes, it has ${actualBytes}`,
    {
      detail: { digest, size, actualSize: actualBytes },
      hint: 'build the image again: its manifest was not made from this blob',
    },
  );
}

export function digestMismatch(expected: Digest, actual: Digest): RegistryError {
  return new RegistryError('DIGEST_INVALID', `the content is ${actual}, not ${expected}`, {
    detail: { expected, actual },
    hint: DAMAGED,
  });
}

export function sizeMismatch(expectedBytes: number, actualBytes: number): RegistryError {
  // Of too much nobody reads the rest: the number would be where we stopped.
  const what =
    actualBytes > expectedBytes
      ? `more than the ${expectedBytes} bytes`
      : `${actualBytes} bytes, not the ${expectedBytes}`;
  return new RegistryError('SIZE_INVALID', `the content has ${what} that it should have`, { hint: DAMAGED });
}

/** Whether a repository is one of these namespaces, or below one. */
export function isWithin(repository: RepositoryName, namespaces: readonly RepositoryName[]): boolean {
  return namespaces.some((namespace) => repository === namespace || repository.startsWith(`${namespace}/`));
}
