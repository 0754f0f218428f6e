import type { RepositoryName } from '#core/oci';
import type { FlightSource, FlightWish } from '../types.ts';
import { refusalOf } from './error.ts';

/**
 * The repository that a flight began with, of which nobody has said yet that it has the blob: only its own sources can.
 * Others who join have the upstream's word for theirs, and their sources bring the blob to them alone.
 */
export type Starter = {
  readonly repository: RepositoryName;
  has(source: FlightSource): boolean;
  /** One of its own sources has the blob. */
  prove(): void;
  refused(source: FlightSource, why: unknown): void;
  readonly isRefused: boolean;
  /** Its readers are told that it is no part of the flight any more. False: it is, or was told before. */
  disown(): boolean;
  /** The whole flight failed. */
  fail(why: unknown): void;
  /** What a reader of a repository waits for. */
  unlessRefused<T>(repository: RepositoryName, task: Promise<T>): Promise<T>;
};

export function createStarter({ repository, sources }: FlightWish): Starter {
  const word = Promise.withResolvers<void>();
  // Whoever waits hears of it.
  word.promise.catch(() => {});
  const refusals = new Map<FlightSource, unknown>();
  let isOpen = true;
  return {
    repository,
    has: (source) => sources.includes(source),
    prove() {
      isOpen = false;
      word.resolve();
    },
    refused(source, why) {
      if (sources.includes(source)) refusals.set(source, why);
    },
    get isRefused() {
      return sources.every((source) => refusals.has(source));
    },
    disown() {
      if (!isOpen) return false;
      isOpen = false;
      word.reject(refusalOf([...refusals.values()]));
      return true;
    },
    fail(why) {
      isOpen = false;
      word.reject(why);
    },
    unlessRefused(asking, task) {
      if (!isOpen || asking !== repository) return task;
      const both = word.promise.then(() => task);
      both.catch(() => {});
      return both;
    },
  };
}
