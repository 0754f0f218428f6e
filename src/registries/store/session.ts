import type { DigestAlgorithm, DigestHasher, RepositoryName } from '#core/oci';
import type { Principal } from '#core/registry';

/** An upload as this process knows it. Bytes are in `uploads/<id>`; the hash state is here alone. */
export type Session = {
  readonly id: string;
  readonly repository: RepositoryName;
  readonly principal: string;
  readonly algorithm: DigestAlgorithm;
  /** Bytes received and written. */
  offset: number;
  /** Has seen exactly the first `offset` bytes; absent after a restart or a failure: read them again. */
  hasher: DigestHasher | undefined;
  /** A write failed: the file may hold bytes behind those that count. */
  torn: boolean;
  /** Somebody writes to it now. */
  busy: boolean;
  /** Whether the catalog knows of it, so that it can go on after a restart. */
  noted: boolean;
  /** Committed, cancelled, expired. */
  ended: boolean;
  lastUsedMs: number;
};

/** Whose upload it is, in the catalog's words. */
export function principalKey(principal: Principal): string {
  return `${principal.kind}:${principal.name}`;
}
