import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  cosignTags,
  type Descriptor,
  descriptorToJson,
  digestOf,
  MediaType,
  type RepositoryName,
  referrersTag,
  type TagName,
} from '#core/oci';
import { type Call, type Fault, faultAt, faulty, memory, missingContent, type Registry } from '#core/registry';
import { manualClock, silentLog } from '#core/std';
import { applyMirror } from './apply.ts';
import { memoryState } from './state.ts';

const CALL: Call = { principal: { kind: 'system', name: 'test' }, requestId: 'test', purpose: 'mirror' };
const APP = 'vendor/app' as RepositoryName;

/** One push at the source: an image or an index of earlier ones, perhaps hanging on an earlier one. */
type Step = {
  readonly children: readonly number[];
  readonly tag: number;
  readonly hangs: 'no' | 'subject' | 'sig';
  readonly on: number;
};

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    children: fc.array(fc.nat(9), { maxLength: 2 }),
    tag: fc.nat(5),
    hangs: fc.constantFrom('no', 'no', 'subject', 'sig'),
    on: fc.nat(9),
  }),
  { minLength: 1, maxLength: 8 },
);

async function play(registry: Registry, wanted: readonly Step[], referrers: boolean): Promise<void> {
  const pushed: Descriptor[] = [];
  const lists = new Map<string, Descriptor[]>();
  for (const [number, step] of wanted.entries()) {
    const on = pushed[step.on];
    const children = step.children.flatMap((index) => pushed[index] ?? []);
    const tags =
      on && step.hangs === 'sig' ? cosignTags(on.digest).slice(0, 1) : step.hangs === 'no' ? [`t${step.tag}`] : [];
    const subject = on && step.hangs === 'subject' ? { subject: descriptorToJson(on) } : {};
    const made = await pushOne(registry, { number, children, tags, subject });
    pushed.push(made);
    if (!on || step.hangs !== 'subject' || referrers) continue;
    const list = [...(lists.get(on.digest) ?? []), made];
    lists.set(on.digest, list);
    await put(registry, { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: list }, [
      referrersTag(on.digest),
    ]);
  }
}

type Made = { number: number; children: readonly Descriptor[]; tags: readonly string[]; subject: object };

async function pushOne(registry: Registry, { number, children, tags, subject }: Made): Promise<Descriptor> {
  if (children.length > 0) {
    const manifests = children.map(descriptorToJson);
    const annotations = { number: `${number}` };
    return await put(
      registry,
      { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests, annotations, ...subject },
      tags,
    );
  }
  const bytes = new TextEncoder().encode(`config ${number}`);
  const digest = digestOf(bytes);
  await registry.putBlob(APP, { digest }, bytes, CALL);
  const config = { mediaType: MediaType.ociConfig, digest, size: bytes.byteLength };
  return await put(
    registry,
    { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [], ...subject },
    tags,
  );
}

async function put(
  registry: Registry,
  json: Readonly<Record<string, unknown>> & { readonly mediaType: string },
  tags: readonly string[],
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify(json));
  const { mediaType } = json;
  return (await registry.putManifest(APP, bytes, { mediaType, tags: tags as TagName[] }, CALL)).descriptor;
}

const FAULTS: readonly Fault[] = [
  { kind: 'fail' },
  { kind: 'lose' },
  { kind: 'cut', atByte: 1 },
  { kind: 'truncate', atByte: 1 },
];

test('whatever the source holds and whatever fails: no tag without its content, one more run heals, then nothing is left to do', async () => {
  const world = fc.record({
    steps,
    sourceApi: fc.boolean(),
    destinationApi: fc.boolean(),
    nth: fc.integer({ min: 1, max: 60 }),
    fault: fc.constantFrom(...FAULTS),
  });
  await fc.assert(
    fc.asyncProperty(world, async ({ steps, sourceApi, destinationApi, nth, fault }) => {
      const source = memory({ referrers: sourceApi });
      await play(source, steps, sourceApi);
      const destination = memory({ referrers: destinationApi, sparseIndex: false });
      const state = memoryState();
      const apply = (from: Registry, to: Registry) =>
        applyMirror(
          { name: 'base', repositories: ['app'], tags: {} },
          {
            source: { name: 'source', registry: from, prefix: 'vendor' },
            destinations: [{ name: 'destination', registry: to, prefix: 'vendor' }],
            state,
            clock: manualClock(),
            log: silentLog(),
            call: CALL,
          },
        );
      const { plan } = faultAt(nth, fault);
      await apply(faulty(source, plan), faulty(destination, plan));
      await expectWhole(destination);

      const healed = await apply(source, destination);
      expect(healed.images.filter(({ status }) => status === 'failed')).toEqual([]);
      await expectWhole(destination);
      await expectSame(source, destination);

      const third = await apply(source, neverAsked());
      expect(third.totals).toMatchObject({ copied: 0, failed: 0 });
    }),
    { numRuns: 150 },
  );
});

async function tagsOf(registry: Registry): Promise<readonly TagName[]> {
  const listed = await registry.tags(APP, { limit: 100 }, CALL).catch(() => undefined);
  return listed?.value.items ?? [];
}

async function expectWhole(registry: Registry): Promise<void> {
  for (const tag of await tagsOf(registry)) {
    expect([tag, await missingContent(registry, { repository: APP, reference: tag }, CALL)]).toEqual([tag, []]);
  }
}

/** Selected tags stand for the same, and have the same referrers. */
async function expectSame(source: Registry, destination: Registry): Promise<void> {
  for (const tag of await tagsOf(source)) {
    if (!tag.startsWith('t')) continue;
    const digests = [source, destination].map(async (registry) => {
      const { digest } = (await registry.resolveManifest(APP, tag, CALL)).value;
      const { items } = (await registry.referrers(APP, digest, {}, CALL)).value;
      const [sig] = cosignTags(digest);
      const signed = sig && (await registry.resolveManifest(APP, sig, CALL).catch(() => undefined));
      return {
        digest,
        referrers: items.map((each) => each.digest).sort(),
        sig: signed ? signed.value.digest : undefined,
      };
    });
    const [there, here] = await Promise.all(digests);
    expect(here).toEqual(there);
  }
}

function neverAsked(): Registry {
  return faulty(memory(), ({ name }) => {
    throw new Error(`${name} was asked of a destination that has everything`);
  });
}
