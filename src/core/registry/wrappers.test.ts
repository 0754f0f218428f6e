import { describe, expect, test } from 'bun:test';
import { registryContract, repo, tag, testCall } from './contract/mod.ts';
import { faulty } from './faulty.ts';
import { guarded } from './guarded.ts';
import { immutable } from './immutable.ts';
import { memory } from './memory/memory.ts';
import { observed } from './observed.ts';
import { readOnly } from './read-only.ts';
import { routed } from './routed.ts';
import { select } from './select.ts';
import type { Extras, Registry } from './types.ts';
import { unified } from './unified/unified.ts';

/**
 * Every wrapper, in the form that lets everything through. A new wrapper is added here, with what it does to the extras;
 * then the whole contract is asserted over it.
 */
const WRAPPERS: readonly {
  name: string;
  wrap: (next: Registry) => Registry;
  keeps: (keyof Extras)[];
  writes?: false;
}[] = [
  { name: 'readOnly', wrap: (next) => readOnly(next), keeps: ['tagDigests', 'capabilities'], writes: false },
  {
    name: 'observed',
    wrap: (next) => observed(next, { sink: () => {}, now: () => 0 }),
    keeps: ['tagDigests', 'ensureRepository', 'capabilities'],
  },
  {
    name: 'guarded',
    wrap: (next) => guarded(next, () => ({ allow: true })),
    keeps: ['tagDigests', 'ensureRepository', 'capabilities'],
  },
  {
    name: 'routed',
    wrap: (next) => routed({ '': next, team: next, 'team/nested': memory() }),
    keeps: ['tagDigests', 'ensureRepository', 'capabilities'],
  },
  { name: 'select', wrap: (next) => select(next, {}), keeps: ['tagDigests', 'ensureRepository', 'capabilities'] },
  {
    name: 'immutable',
    wrap: (next) => immutable(next, ['frozen']),
    keeps: ['tagDigests', 'ensureRepository', 'capabilities'],
  },
  {
    name: 'unified',
    wrap: (registry) =>
      unified({
        namespace: '',
        members: [{ namespace: 'own', registry, allow: [], deny: [], whenDown: 'fail' }],
        push: 'own',
      }),
    keeps: ['ensureRepository', 'capabilities'],
  },
  {
    name: 'faulty',
    wrap: (next) => faulty(next, () => undefined),
    keeps: ['tagDigests', 'ensureRepository', 'capabilities'],
  },
];

const EXTRAS: Required<Extras> = {
  tagDigests: async () => ({ items: [{ tag: tag('v1'), digest: 'sha256:00' as never }] }),
  ensureRepository: async () => {},
  capabilities: () => ({ sparseIndex: true }),
};

for (const { name, wrap, keeps, writes } of WRAPPERS) {
  if (writes !== false) registryContract(name, () => ({ registry: wrap(memory()) }));

  describe(`${name}: extras`, () => {
    test(`keeps ${keeps.join(', ')} and no other`, async () => {
      const { extras } = wrap({ ...memory(), extras: EXTRAS });
      expect(Object.keys(extras).sort()).toEqual([...keeps].sort());
      if (keeps.includes('capabilities'))
        expect(extras.capabilities?.(repo('team/app'))).toEqual({ sparseIndex: true });
      const page = await extras.tagDigests?.(repo('team/app'), { limit: 10 }, testCall());
      if (keeps.includes('tagDigests')) expect(page?.items.map((each) => each.tag)).toEqual([tag('v1')]);
    });

    test('invents none', () => {
      const { extras } = wrap({ ...memory(), extras: {} });
      // Routes differ in what they can: their capabilities are asked one by one.
      expect(Object.keys(extras)).toEqual(name === 'routed' ? ['capabilities'] : []);
    });
  });
}
