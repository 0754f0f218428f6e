import { describe, test } from 'bun:test';
import type { CacheStore } from '../cache-store.ts';
import { evictionContract } from './eviction.ts';
import { keepContract } from './keep.ts';
import { partContract } from './part.ts';

export type CacheFixture = { readonly store: CacheStore; dispose?(): Promise<void> | void };
export type MakeCacheFixture = () => Promise<CacheFixture> | CacheFixture;

/** One part of the suite: registers its tests with `check`. */
export type CacheCheck = (title: string, body: (store: CacheStore) => Promise<void>) => void;

const PARTS: readonly (readonly [string, (check: CacheCheck) => void])[] = [
  ['parts', partContract],
  ['keeping', keepContract],
  ['space', evictionContract],
];

/** Asserts what `cache-store.ts` promises beyond a Registry, over a fresh store for each test. */
export function cacheStoreContract(name: string, make: MakeCacheFixture): void {
  describe(`${name} is a CacheStore`, () => {
    for (const [title, part] of PARTS) {
      describe(title, () => {
        part((what, body) => {
          test(what, async () => {
            const fixture = await make();
            try {
              await body(fixture.store);
            } finally {
              await fixture.dispose?.();
            }
          });
        });
      });
    }
  });
}
