import { type Descriptor, type Digest, isRegistryError, type RepositoryName } from '#core/oci';
import { type ByteStream, messageOf, streamOf } from '#core/std';
import { bodyOf } from '../answer.ts';
import type { BlobAnswer, Call, Handover } from '../types.ts';
import type { RunContext } from './context.ts';
import { at, CopyError, type CopyPlace, copyError } from './error.ts';
import { mayHandOver, passOn } from './hand-over.ts';
import type { Home } from './presence.ts';
import { createTee, type TeeSource } from './tee.ts';

export type BlobOutcome = { readonly home: Home } & (
  | { readonly kind: 'uploaded' | 'mounted' | 'skipped' }
  | { readonly kind: 'failed'; readonly error: unknown }
);

/** A blob of the source repository `from`, wanted at each of `homes`. */
export type BlobWish = {
  readonly blob: Descriptor;
  readonly from: RepositoryName;
  /** The root of the image that needs it. */
  readonly image: Digest;
  readonly homes: readonly Home[];
};

/** What every event about a blob says. */
export function blobFacts({ blob, from, image }: Omit<BlobWish, 'homes'>, { endpoint, repository }: Home) {
  const { digest, size } = blob;
  return {
    destination: endpoint.name,
    repository,
    digest,
    sizeBytes: size,
    image: { repository: from, digest: image },
  };
}

/** Where a blob's bytes go, once it is known that they must. */
export type Sink = {
  readonly home: Home;
  /** With `watched` the caller watches the time, by that call's signal. */
  commit(body: ByteStream, watched?: Call): Promise<unknown>;
  cancel(): Promise<void>;
};

export function blobPlace({ endpoint, repository }: Home, { digest }: Descriptor): CopyPlace {
  return { origin: 'destination', registry: endpoint.name, repository, reference: digest };
}

/** Downloads a blob once and feeds it to every sink. A sink that fails is cancelled and leaves the others alone. */
export async function feed(run: RunContext, wish: BlobWish, sinks: readonly Sink[]): Promise<BlobOutcome[]> {
  const { blob } = wish;
  const origin = await openBytes(run, wish).catch((error: unknown) => ({ error }));
  if ('error' in origin) {
    return await Promise.all(sinks.map((sink) => giveUp(run, blob, { sink, error: origin.error })));
  }
  const [only, ...others] = sinks;
  const { handOver } = origin;
  if (handOver && only && others.length === 0 && mayHandOver(run, blob)) {
    progress(run, wish, { sink: only });
    const failure = await passOn(run, blob, { handOver, commit: only.commit });
    if (failure) return [await giveUp(run, blob, { sink: only, error: failure })];
    origin.finished();
    return [{ kind: 'uploaded', home: only.home }];
  }
  const tee = createTee({
    count: sinks.length,
    bufferBytes: run.limits.bufferBytes,
    stallMs: run.limits.stallMs,
    clock: run.clock,
    signal: run.call.signal,
    onTaken: (branch, takenBytes) => progress(run, wish, { sink: sinks[branch], takenBytes }),
  });
  for (const sink of sinks) progress(run, wish, { sink });
  const [pumped, ...commits] = await Promise.all([
    settle(tee.run(origin, blob)),
    ...tee.branches.map((branch, index) => settle(commit(sinks[index], branch))),
  ]);
  if (!pumped.failed) origin.finished();
  const cut = pumped.failed ? origin.blame(pumped.thrown) : undefined;
  return await Promise.all(
    sinks.map(async (sink, index): Promise<BlobOutcome> => {
      const end = commits[index];
      // A destination that thanks for a download which was cut did not look at what it got.
      if (!cut && end && !end.failed) return { kind: 'uploaded', home: sink.home };
      const reason = tee.branches[index]?.failure ?? (end?.failed ? end.thrown : undefined);
      const own = reason !== undefined && !(pumped.failed && reason === pumped.thrown);
      const error = own ? copyError(blobPlace(sink.home, blob), 'uploading the blob', reason) : cut;
      return await giveUp(run, blob, { sink, error });
    }),
  );
}

async function commit(sink: Sink | undefined, branch: { readonly body: ByteStream; close(): void }): Promise<void> {
  try {
    await sink?.commit(branch.body);
  } finally {
    branch.close();
  }
}

type Settled = { readonly failed: false } | { readonly failed: true; readonly thrown: unknown };

async function settle(work: Promise<unknown>): Promise<Settled> {
  try {
    await work;
    return { failed: false };
  } catch (thrown) {
    return { failed: true, thrown };
  }
}

type Failure = { readonly sink: Sink; readonly error: unknown };

/** Nothing half-uploaded stays behind, as far as the destination can still be reached. */
async function giveUp(run: RunContext, blob: Descriptor, { sink, error }: Failure): Promise<BlobOutcome> {
  const { home } = sink;
  try {
    await sink.cancel();
  } catch (thrown) {
    // The registry ends a refused upload by itself.
    if (!isRegistryError(thrown, 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'NOT_FOUND')) {
      run.emit({
        kind: 'warning',
        registry: home.endpoint.name,
        repository: home.repository,
        message: `the upload of ${blob.digest} could not be cancelled and will expire: ${messageOf(thrown)}`,
      });
    }
  }
  return { kind: 'failed', home, error };
}

type Progress = { readonly sink: Sink | undefined; readonly takenBytes?: number };

function progress(run: RunContext, wish: BlobWish, { sink, takenBytes }: Progress): void {
  if (!sink) return;
  const facts = blobFacts(wish, sink.home);
  if (takenBytes === undefined) run.emit({ kind: 'blob-started', ...facts });
  else run.emit({ kind: 'blob-progress', bytes: takenBytes, ...facts });
}

/** A download, and what its end means. */
type Origin = TeeSource & {
  readonly handOver?: () => Handover;
  finished(): void;
  /** Whose fault a failure of the download is. */
  blame(thrown: unknown): unknown;
};

function contentOf(answer: BlobAnswer, { size }: Descriptor): TeeSource & { handOver?: () => Handover } {
  if (answer.kind !== 'stream') return { body: bodyOf(answer), verified: false };
  const { body, verified = false, handOver } = answer;
  return { body, verified, ...(handOver && answer.descriptor.size === size ? { handOver } : {}) };
}

/** The source is asked once in a run; what it gave is read again from a destination that has it. */
async function openBytes(run: RunContext, wish: BlobWish): Promise<Origin> {
  const inlined = inlineBytes(wish.blob);
  if (inlined) return { body: streamOf(inlined), verified: false, finished: () => {}, blame: blameSource(run, wish) };
  const home = run.presence.wasRead(wish.blob.digest) ? run.presence.anyHome(wish.blob.digest) : undefined;
  return (home && (await openHome(run, wish.blob, home))) ?? (await openSource(run, wish));
}

/** Small content may stand in its descriptor; the tee checks it like any other. */
function inlineBytes({ data, size }: Descriptor): Uint8Array | undefined {
  if (data === undefined) return undefined;
  const bytes = Buffer.from(data, 'base64');
  return bytes.byteLength === size ? new Uint8Array(bytes) : undefined;
}

async function openHome(run: RunContext, blob: Descriptor, home: Home): Promise<Origin | undefined> {
  const { presence, call } = run;
  const place = blobPlace(home, blob);
  const blame = (thrown: unknown) => {
    presence.drop(home, blob.digest);
    return copyError(place, 'reading the blob back', thrown);
  };
  try {
    const { value } = await home.endpoint.registry.getBlob(home.repository, blob.digest, {}, call);
    return { ...contentOf(value, blob), finished: () => {}, blame };
  } catch (thrown) {
    const error = blame(thrown);
    if (!(error instanceof CopyError)) throw thrown;
    const message = `${blob.digest} is read from the source again: ${error.why ?? error.message}`;
    run.emit({ kind: 'warning', registry: home.endpoint.name, repository: home.repository, message });
    return undefined;
  }
}

async function openSource(run: RunContext, wish: BlobWish): Promise<Origin> {
  const { blob, from } = wish;
  const place = sourcePlace(run, wish);
  const { registry } = run.source.endpoint;
  const { value } = await at(place, 'reading the blob', () => registry.getBlob(from, blob.digest, {}, run.call));
  run.moved.blobsRead += 1;
  return {
    ...contentOf(value, blob),
    finished() {
      run.moved.bytesRead += blob.size;
      run.presence.markRead(blob.digest);
    },
    blame: blameSource(run, wish),
  };
}

function sourcePlace(run: RunContext, { blob, from }: BlobWish): CopyPlace {
  return { origin: 'source', registry: run.source.endpoint.name, repository: from, reference: blob.digest };
}

function blameSource(run: RunContext, wish: BlobWish): (thrown: unknown) => unknown {
  return (thrown) => copyError(sourcePlace(run, wish), 'reading the blob', thrown);
}
