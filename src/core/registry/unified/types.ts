import type { Registry } from '../types.ts';

/** A namespace whose content a virtual one shows as its own. */
export type Member = {
  /** The first segments of its names: `hub` for `hub/library/redis`. */
  readonly namespace: string;
  readonly registry: Registry;
  /** Globs on the name below the namespace, which is the same in both. Empty: everything. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /**
   * The names below the namespace that one may stand for there (`redis` is `library/redis` at Docker Hub), where it is
   * not that one alone. The globs are asked about these: each must be allowed, and none denied.
   */
  readonly meanings?: (below: string) => readonly string[];
  /**
   * What its failure means: `fail` is the failure of the whole, since what it would have answered is unknown;
   * `skip` lets the next member answer, who may hold other content by that name.
   */
  readonly whenDown: 'skip' | 'fail';
};

export type UnifiedOptions = {
  /** The virtual namespace: `all` shows `hub/library/redis` as `all/library/redis`. */
  readonly namespace: string;
  /** Asked in this order: the first that has it answers. */
  readonly members: readonly Member[];
  /** The member that takes pushes and deletes; without one they are refused. */
  readonly push?: string;
};
