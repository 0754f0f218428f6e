import { describe, expect, test } from 'bun:test';
import { cosignTags, type Digest, RegistryError, type TagName } from '#core/oci';
import { systemClock } from '#core/std';
import { type Fault, faultAt, faulty } from '../faulty.ts';
import { memory } from '../memory/memory.ts';
import type { Registry } from '../types.ts';
import { createFixture, REPO, TEST_CALL } from './fixture.ts';
import { type CopyRun, createCopyRun } from './run.ts';
import type { CopyTarget } from './types.ts';
import { missingContent } from './verify.ts';

const tag = (text: string) => text as TagName;

function startRun(source: Registry): CopyRun {
  return createCopyRun({
    source: { name: 'source', registry: source },
    call: TEST_CALL,
    clock: systemClock(),
    limits: { retryDelayMs: 1 },
  });
}

const to = (registry: Registry): CopyTarget => ({
  destination: { name: 'destination', registry },
  repository: REPO,
  tags: [tag('1.0')],
});

const missing = (registry: Registry, reference: string) =>
  missingContent(registry, { repository: REPO, reference: tag(reference) }, TEST_CALL);

/** Every tag that stands at a destination has all of its content there, and the image what hangs on it. */
async function expectWhole(destination: Registry, hanging: readonly string[]): Promise<void> {
  const listed = await destination.tags(REPO, { limit: 100 }, TEST_CALL).catch(() => undefined);
  const tags: string[] = [...(listed?.value.items ?? [])];
  for (const each of tags.includes('1.0') ? [...tags, ...hanging] : tags) {
    expect([each, await missing(destination, each)]).toEqual([each, []]);
  }
}

describe('whatever fails, at every point', () => {
  const KINDS: readonly { name: string; fault: Fault; referrers: boolean }[] = [
    { name: 'a call fails', fault: { kind: 'fail' }, referrers: true },
    { name: 'an answer is lost', fault: { kind: 'lose' }, referrers: false },
    { name: 'a body breaks', fault: { kind: 'cut', atByte: 2 }, referrers: true },
    { name: 'a body ends early', fault: { kind: 'truncate', atByte: 2 }, referrers: true },
    {
      name: 'a call fails for good',
      fault: { kind: 'fail', error: new RegistryError('DENIED', 'not for you') },
      referrers: false,
    },
  ];
  test.each(KINDS)('$name: never a tag without its closure, and the next run heals', async ({ fault, referrers }) => {
    const made = createFixture(memory({ referrers }));
    const amd = await made.image('amd', { platform: { os: 'linux', architecture: 'amd64' } });
    const index = await made.index([amd], { tags: ['1.0'] });
    const sig = await made.image('sig', { tags: [cosignTags(index.digest)[0] ?? ''] });
    const hanging: string[] = [sig.digest];
    if (referrers) hanging.push((await made.image('sbom', { subject: amd })).digest);
    const request = (target: CopyTarget) => ({ repository: REPO, reference: tag('1.0'), targets: [target] });
    let points = 0;
    for (let nth = 1; ; nth++) {
      const { plan, fired } = faultAt(nth, fault);
      const inner = memory({ referrers });
      const destination = faulty(inner, plan);
      await startRun(faulty(made.registry, plan))
        .copyImage(request(to(destination)))
        .catch(() => undefined);
      await expectWhole(inner, hanging);
      const healed = await startRun(made.registry).copyImage(request(to(inner)));
      expect(healed.results[0]?.error).toBeUndefined();
      const { value } = await inner.tags(REPO, { limit: 10 }, TEST_CALL);
      expect(value.items).toHaveLength(2);
      await expectWhole(inner, hanging);
      if (!fired()) break;
      points = nth;
    }
    expect(points).toBeGreaterThan(15);
  });
});

test('what is passing is tried again: one fault anywhere does not fail a copy of blobs and manifests', async () => {
  const made = createFixture(memory());
  const image = await made.image('a', { tags: ['1.0'] });
  const digests: Digest[] = [];
  for (let nth = 1; ; nth++) {
    const { plan, fired } = faultAt(nth, { kind: 'fail' });
    const inner = memory();
    const outcome = await startRun(made.registry).copyImage({
      repository: REPO,
      reference: tag('1.0'),
      targets: [to(faulty(inner, plan))],
    });
    expect(outcome.results[0]?.error).toBeUndefined();
    digests.push((await inner.resolveManifest(REPO, tag('1.0'), TEST_CALL)).value.digest);
    if (!fired()) break;
  }
  expect(new Set(digests)).toEqual(new Set([image.digest]));
});
