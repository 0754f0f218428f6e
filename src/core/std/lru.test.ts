import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createSizedCache } from './lru.ts';

describe('createSizedCache', () => {
  test('forgets what was unused for longest', () => {
    const cache = createSizedCache<string>(10);
    cache.set('a', 'A', 4);
    cache.set('b', 'B', 4);
    cache.get('a');
    cache.set('c', 'C', 4);
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual(['A', undefined, 'C']);
    expect(cache.sizeBytes).toBe(8);
  });

  test('does not take what alone is too large, and forgets what stood there', () => {
    const cache = createSizedCache<string>(10);
    cache.set('a', 'A', 4);
    cache.set('a', 'B', 11);
    expect([cache.get('a'), cache.sizeBytes]).toEqual([undefined, 0]);
  });

  test('deletes and clears', () => {
    const cache = createSizedCache<string>(10);
    for (const key of ['a', 'b']) cache.set(key, key, 1);
    cache.delete('a');
    cache.delete('nothing');
    expect([cache.get('a'), cache.get('b'), cache.sizeBytes]).toEqual([undefined, 'b', 1]);
    cache.clear();
    expect([cache.get('b'), cache.sizeBytes]).toEqual([undefined, 0]);
  });

  test('never holds more than it may, and knows how much', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      sizeBytes: fc.nat({ max: 12 }),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const cache = createSizedCache<number>(10);
        for (const { key, sizeBytes, remove } of steps) {
          if (remove) cache.delete(key);
          else cache.set(key, sizeBytes, sizeBytes);
          const held = ['a', 'b', 'c', 'd'].map((each) => cache.get(each) ?? 0);
          expect(held.reduce((sum, each) => sum + each, 0)).toBe(cache.sizeBytes);
          expect(cache.sizeBytes).toBeLessThanOrEqual(10);
        }
      }),
    );
  });
});
