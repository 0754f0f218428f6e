import { type Descriptor, isRegistryError, type RepositoryName } from '#core/oci';
import { delayMs, isSameRegistry, type RunContext } from './context.ts';
import { at, isPassing } from './error.ts';
import { type BlobOutcome, type BlobWish, blobFacts, blobPlace, feed, type Sink } from './feed.ts';
import { HandoverError } from './hand-over.ts';
import type { Home } from './presence.ts';

type Opened = BlobOutcome | { readonly kind: 'sink'; readonly sink: Sink; readonly home: Home };

/**
 * Puts a blob where it is wanted: known → nothing, there → a mount, else one download for all that need it.
 * Two images that need the same blob at the same time wait for each other, so that the second finds it.
 * Failures are outcomes; only an abort is thrown, after begun uploads were cancelled.
 */
export async function ensureBlob(run: RunContext, wish: BlobWish): Promise<BlobOutcome[]> {
  return await run.locks.run(`blob ${wish.blob.digest}`, () =>
    run.blobSlots.run(() => ensureAlone(run, wish), run.call.signal),
  );
}

/** One upload a registry at a time: its other repositories then mount, and do not wait for each other's connections. */
async function ensureAlone(run: RunContext, wish: BlobWish): Promise<BlobOutcome[]> {
  const ended: BlobOutcome[] = [];
  let rest = wish.homes;
  while (rest.length > 0) {
    const homes = [...new Map(rest.map((home) => [home.endpoint.name, home])).values()];
    rest = rest.filter((home) => !homes.includes(home));
    ended.push(...(await ensurePatiently(run, { ...wish, homes })));
  }
  return ended;
}

async function ensurePatiently(run: RunContext, wish: BlobWish): Promise<BlobOutcome[]> {
  const ended: BlobOutcome[] = [];
  let homes = wish.homes;
  for (let attempt = 1; homes.length > 0; attempt++) {
    const outcomes = await tryUntilWatched(run, { ...wish, homes });
    run.call.signal?.throwIfAborted();
    const again = outcomes.filter((each) => each.kind === 'failed' && isPassing(each.error));
    const [first] = again;
    const mayRetry = attempt < run.limits.attempts;
    ended.push(...outcomes.filter((each) => !(mayRetry && again.includes(each))));
    if (!mayRetry || first?.kind !== 'failed') return ended;
    await run.clock.sleep(delayMs(run, attempt, first.error), run.call.signal);
    homes = again.map(({ home }) => home);
  }
  return ended;
}

/** A blob that could not be passed on unwatched is sent again at once: that was no real try. */
async function tryUntilWatched(run: RunContext, wish: BlobWish): Promise<BlobOutcome[]> {
  const outcomes = await tryOnce(run, wish);
  const again = outcomes.filter((each) => each.kind === 'failed' && each.error instanceof HandoverError);
  if (again.length === 0 || run.call.signal?.aborted) return outcomes;
  const others = outcomes.filter((each) => !again.includes(each));
  return [...others, ...(await tryOnce(run, { ...wish, homes: again.map(({ home }) => home) }))];
}

async function tryOnce(run: RunContext, wish: BlobWish): Promise<BlobOutcome[]> {
  const opened = await Promise.all(wish.homes.map((home) => open(run, wish, home)));
  const sinks = opened.flatMap((each) => (each.kind === 'sink' ? [each.sink] : []));
  const fed = sinks.length > 0 ? await feed(run, wish, sinks) : [];
  const outcomes = [...opened.flatMap((each) => (each.kind === 'sink' ? [] : [each])), ...fed];
  for (const outcome of outcomes) note(run, wish, outcome);
  return outcomes;
}

function note({ presence, emit }: RunContext, wish: BlobWish, { kind, home }: BlobOutcome): void {
  if (kind === 'failed') return;
  presence.add(home, wish.blob.digest);
  emit({ kind: kind === 'uploaded' ? 'blob-done' : `blob-${kind}`, ...blobFacts(wish, home) });
}

async function open(run: RunContext, wish: BlobWish, home: Home): Promise<Opened> {
  const { blob } = wish;
  if (run.presence.has(home, blob.digest)) return { kind: 'skipped', home };
  try {
    return await at(blobPlace(home, blob), 'uploading the blob', async () => {
      await run.prepare(home.endpoint, home.repository);
      return await mountOrBegin(run, wish, home);
    });
  } catch (error) {
    return { kind: 'failed', home, error };
  }
}

async function mountOrBegin(run: RunContext, wish: BlobWish, home: Home): Promise<Opened> {
  const { registry } = home.endpoint;
  const { digest, size } = wish.blob;
  // Asking to mount from where it may already be answers "is it here?" and begins the upload in one request.
  const options = { from: await mountFrom(run, wish, home), mayRead: () => true };
  try {
    const answer = await registry.mountBlob(home.repository, digest, options, run.call);
    if (answer.kind === 'mounted') return { kind: 'mounted', home };
    const { upload } = answer;
    return sinkOf(home, {
      commit: (body, watched) => {
        const final = { body, size, start: 0, ...(watched ? ({ isWatched: true } as const) : {}) };
        return upload.commit(digest, final, watched ?? run.call);
      },
      cancel: () => upload.cancel(run.cleanupCall),
    });
  } catch (thrown) {
    if (!isRegistryError(thrown, 'UNSUPPORTED')) throw thrown;
    return await lookOrPut(run, wish.blob, home);
  }
}

function sinkOf(home: Home, ways: Omit<Sink, 'home'>): Opened {
  return { kind: 'sink', home, sink: { home, ...ways } };
}

/** For a registry that cannot mount: look first, then put the whole blob. */
async function lookOrPut(run: RunContext, blob: Descriptor, home: Home): Promise<Opened> {
  const { registry } = home.endpoint;
  try {
    await registry.resolveBlob(home.repository, blob.digest, run.call);
    return { kind: 'mounted', home };
  } catch (thrown) {
    if (!isRegistryError(thrown, 'BLOB_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND')) throw thrown;
  }
  return sinkOf(home, {
    commit: (body, watched) =>
      registry.putBlob(home.repository, { digest: blob.digest, size: blob.size }, body, watched ?? run.call),
    cancel: async () => {},
  });
}

async function mountFrom(run: RunContext, { blob, from }: BlobWish, home: Home): Promise<RepositoryName> {
  if (isSameRegistry(run.source.endpoint, home.endpoint)) return from;
  const seen = run.presence.repositoryWith(home.endpoint, blob.digest);
  return seen ?? (await run.known.blobHome?.(home.endpoint.name, blob.digest)) ?? home.repository;
}
