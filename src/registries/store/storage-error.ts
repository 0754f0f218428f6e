import { type Digest, RegistryError, type RepositoryName } from '#core/oci';
import { isSqlError } from '#core/sql';
import { messageOf, systemCodeOf } from '#core/std';

const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function isNoRoom(thrown: unknown): boolean {
  return isSqlError(thrown, 'SQL_FULL') || NO_ROOM.has(systemCodeOf(thrown) ?? '');
}

/** What a failing disk or catalog means to whoever called the registry; anything else stays what it is. */
function asRegistryError(thrown: unknown): unknown {
  if (thrown instanceof RegistryError) return thrown;
  if (isNoRoom(thrown)) {
    return new RegistryError('INSUFFICIENT_STORAGE', 'the store has no room left on its disk', {
      why: messageOf(thrown),
      hint: 'free some space there, or run "entrepot gc run"; what is stored can still be pulled',
      cause: thrown,
    });
  }
  if (isSqlError(thrown, 'SQL_WRITER_LOST', 'SQL_CLOSED')) {
    return new RegistryError('UNAVAILABLE', 'the store takes no changes now', { why: thrown.message, cause: thrown });
  }
  return thrown;
}

/** The catalog's answer to a manifest whose content is not there, with the digests (bounded) in `detail`. */
export function contentMissing(repository: RepositoryName, detail: unknown, cause: Error): RegistryError {
  const facts = (detail ?? {}) as { readonly missing?: readonly Digest[]; readonly missingCount?: number };
  const missing = facts.missing ?? [];
  const more = (facts.missingCount ?? missing.length) - 1;
  return new RegistryError(
    'MANIFEST_BLOB_UNKNOWN',
    `${repository} has no ${missing[0] ?? 'content'}${more > 0 ? ` and ${more} more` : ''}, which the manifest needs`,
    { detail: { name: repository, digest: missing[0], ...facts }, hint: 'push it first', cause },
  );
}

/** Runs a change of the store and throws what it means on the wire. */
export async function storing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw asRegistryError(thrown);
  }
}
