import {
  cosignTags,
  type Descriptor,
  type Digest,
  isRegistryError,
  type ManifestReference,
  parseManifest,
  type RepositoryName,
  requiredBlobs,
} from '#core/oci';
import type { Call, ManifestAnswer, Reader, ReferrersPage, Served } from '#core/registry';
import { mapLimited } from '#core/std';
import type { Blobs } from './blob.ts';
import { type Place, type ProxyContext, placeOf } from './context.ts';
import { isReserved, resetAtMs } from './copy.ts';
import { childrenFor } from './graph.ts';
import type { Warmed, WarmOptions } from './proxy.ts';

/** Downloads at once: a warm-up leaves connections to those who wait. */
const BLOBS_AT_ONCE = 3;
/** Where a limit is reached and nothing says when it ends. */
const LIMITED_WAIT_MS = 60_000;
/** Waited for no longer: Docker Hub counts over six hours. */
const LONGEST_WAIT_MS = 6 * 3_600_000;
/** Waits in a row that brought nothing: then somebody is told. */
const MAX_WAITS = 4;

type Reads = Pick<Reader, 'getManifest' | 'resolveManifest'> & {
  referrers(repository: RepositoryName, digest: Digest, options: object, call: Call): Promise<Served<ReferrersPage>>;
};

type Run = {
  readonly context: ProxyContext;
  readonly reads: Reads;
  readonly blobs: Blobs;
  readonly place: Place;
  readonly options: WarmOptions;
  readonly call: Call;
  readonly seen: Set<Digest>;
  readonly sum: { manifests: number; blobs: number; bytes: number; newBytes: number };
};

/** Fetches what a reference leads to: children, blobs, and what hangs on each digest, which is what a pull may ask for. */
export function createWarm(context: ProxyContext, reads: Reads, blobs: Blobs) {
  return async (
    repository: RepositoryName,
    reference: ManifestReference,
    options: WarmOptions,
    call: Call,
  ): Promise<Warmed> => {
    const place = placeOf(context, 'manifest', repository);
    const sum = { manifests: 0, blobs: 0, bytes: 0, newBytes: 0 };
    const run: Run = {
      context,
      reads,
      blobs,
      place,
      options,
      call: { ...call, purpose: 'warm' },
      seen: new Set(),
      sum,
    };
    const { descriptor } = await warmManifest(run, reference, 'manifest');
    return { descriptor, ...sum };
  };
}

async function warmManifest(
  run: Run,
  reference: ManifestReference,
  kind: 'manifest' | 'referrer',
): Promise<ManifestAnswer> {
  const { value, served } = await paced(run, () => run.reads.getManifest(run.place.local, reference, run.call));
  const { descriptor, bytes } = value;
  if (run.seen.has(descriptor.digest)) return value;
  run.seen.add(descriptor.digest);
  const isNew = served.verdict === 'miss' || served.verdict === 'refreshed';
  count(run, descriptor, isNew);
  run.sum.manifests++;
  run.options.onProgress?.({ kind, descriptor, isNew });
  const manifest = parseManifest(bytes, descriptor.mediaType);
  const platforms = run.options.platforms.length > 0 ? run.options.platforms : run.context.rules.platforms;
  for (const child of childrenFor(manifest.manifests, platforms)) await warmManifest(run, child.digest, 'manifest');
  await mapLimited(requiredBlobs(manifest), BLOBS_AT_ONCE, (blob) => warmBlob(run, blob));
  await warmReferrers(run, descriptor.digest);
  return value;
}

async function warmBlob(run: Run, { digest }: Descriptor): Promise<void> {
  if (run.seen.has(digest)) return;
  run.seen.add(digest);
  const { descriptor, isNew } = await paced(run, () => run.blobs.fetch(run.place, digest, run.call));
  count(run, descriptor, isNew);
  run.sum.blobs++;
  run.options.onProgress?.({ kind: 'blob', descriptor, isNew });
}

function count({ sum }: Run, { size }: Descriptor, isNew: boolean): void {
  sum.bytes += size;
  if (isNew) sum.newBytes += size;
}

/** Signatures and the like: by the list, and by the tags that cosign hangs them on. */
async function warmReferrers(run: Run, subject: Digest): Promise<void> {
  const { reads, place, call } = run;
  let after: string | undefined;
  do {
    const options = after === undefined ? {} : { after };
    const { value } = await paced(run, () => reads.referrers(place.local, subject, options, call));
    for (const { digest } of value.items) {
      if (!run.seen.has(digest)) await warmManifest(run, digest, 'referrer');
    }
    after = value.next;
  } while (after !== undefined);
  for (const tag of cosignTags(subject)) {
    // A HEAD first: to ask for what is not there costs no pull.
    const found = await orUndefined(paced(run, () => reads.resolveManifest(place.local, tag, call)));
    if (found) await warmManifest(run, tag, 'referrer');
  }
}

/** Waits where the upstream's limit is reached, and says so. Throws the limit's error after waits that brought nothing. */
async function paced<T>({ context, options, call }: Run, task: () => Promise<T>): Promise<T> {
  for (let waits = 0; ; waits++) {
    try {
      return await task();
    } catch (thrown) {
      if (!isRegistryError(thrown, 'TOOMANYREQUESTS') || waits >= MAX_WAITS) throw thrown;
      const nowMs = context.clock.now();
      const resetMs = isReserved(context) ? (resetAtMs(context) ?? nowMs) - nowMs : 0;
      const waitMs = Math.max(thrown.retryAfterMs ?? LIMITED_WAIT_MS, resetMs, 1000);
      if (waitMs > LONGEST_WAIT_MS) throw thrown;
      options.onProgress?.({
        kind: 'waiting',
        untilMs: nowMs + waitMs,
        why: [thrown.message, thrown.why].filter(Boolean).join(': '),
      });
      await context.clock.sleep(waitMs, call.signal);
    }
  }
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (isRegistryError(thrown) && thrown.status === 404) return undefined;
    throw thrown;
  }
}
