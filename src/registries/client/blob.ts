import { type Descriptor, type Digest, MediaType, RegistryError, type RepositoryName } from '#core/oci';
import type { BlobAnswer, BlobOptions, ByteRange, Call, Handover, Served } from '#core/registry';
import { streamOf } from '#core/std';
import type { Answer } from './answer.ts';
import { type Context, send, servedBy } from './context.ts';
import { downloadStream } from './download.ts';
import { invalidError } from './failure.ts';

export async function resolveBlob(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
  call: Call,
): Promise<Served<Descriptor>> {
  const request = { kind: 'blobHead', repository, digest } as const;
  const answer = await send(context, request, { accept: [200], unknown: 'BLOB_UNKNOWN' }, call);
  await answer.drop();
  const size = lengthOf(answer);
  if (size === undefined) throw invalidError(answer.at, 'it did not say how long the blob is');
  return { value: { mediaType: MediaType.octets, digest, size }, served: servedBy(context, answer) };
}

function lengthOf(answer: Answer): number | undefined {
  const text = answer.headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

type Place = { readonly repository: RepositoryName; readonly digest: Digest };

export async function getBlob(
  context: Context,
  { repository, digest }: Place,
  options: BlobOptions,
  call: Call,
): Promise<Served<BlobAnswer>> {
  const { range } = options;
  if (range?.end !== undefined && range.end <= range.start) {
    const { value: descriptor, served } = await resolveBlob(context, repository, digest, call);
    return { value: { kind: 'stream', descriptor, body: streamOf(new Uint8Array()) }, served };
  }
  const open = (wanted: ByteRange | undefined) => openBlob(context, { repository, digest }, wanted, call);
  const { answer, begins, total } = await open(range).catch((thrown) => {
    throw rangeError(thrown, digest);
  });
  const size = total ?? (await sizeByHead(context, { repository, digest }, answer, call));
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? size, size);
  if (start > 0 && start >= size) {
    answer.abort(new Error('out of range'));
    throw new RegistryError('RANGE_INVALID', `byte ${start} is past the end of ${digest}, which has ${size} bytes`);
  }
  const body = downloadStream({
    context,
    digest,
    size,
    start,
    end,
    first: { answer, begins },
    signal: call.signal,
    reopen: (offset) => open({ start: offset, end }),
  });
  const descriptor = { mediaType: MediaType.octets, digest, size };
  const isWhole = start === 0 && end === size;
  const whole = isWhole ? ({ verified: true, ...handOverOf(answer, total) } as const) : {};
  return { value: { kind: 'stream', descriptor, body, ...whole }, served: servedBy(context, answer) };
}

/** Only where the registry said the length: without it nobody could tell a cut body from a whole one. */
function handOverOf(answer: Answer, total: number | undefined): { handOver?: () => Handover } {
  if (total === undefined || answer.status !== 200) return {};
  return {
    handOver: () => ({
      body: answer.unwatched() ?? streamOf(new Uint8Array()),
      end: (reason) => (reason === undefined ? answer.release() : answer.abort(reason)),
    }),
  };
}

type Opened = { readonly answer: Answer; readonly begins: number; readonly total: number | undefined };

/** Asks for a blob from a byte on. A registry that knows no ranges sends all of it: then `begins` is 0. */
async function openBlob(context: Context, place: Place, range: ByteRange | undefined, call: Call): Promise<Opened> {
  const isPart = range !== undefined && (range.start > 0 || range.end !== undefined);
  const last = range?.end === undefined ? '' : String(range.end - 1);
  const options = {
    accept: isPart ? [200, 206] : [200],
    unknown: 'BLOB_UNKNOWN',
    ...(isPart ? { headers: { range: `bytes=${range.start}-${last}` } } : {}),
  } as const;
  const answer = await send(context, { kind: 'blobGet', ...place }, options, call);
  if (answer.status === 200) return { answer, begins: 0, total: lengthOf(answer) };
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(answer.headers.get('content-range') ?? '');
  if (match && Number(match[1]) === range?.start) return { answer, begins: range.start, total: Number(match[3]) };
  answer.abort(new Error('wrong range'));
  throw invalidError(
    answer.at,
    `asked for bytes from ${range?.start} on, it sent "${answer.headers.get('content-range')}"`,
  );
}

function rangeError(thrown: unknown, digest: Digest): unknown {
  if (!(thrown instanceof RegistryError) || thrown.upstream?.status !== 416) return thrown;
  return new RegistryError('RANGE_INVALID', `the range is past the end of ${digest}`, {
    origin: 'upstream',
    upstream: thrown.upstream,
  });
}

/** A body sent in chunks has no length: the HEAD may know it. */
async function sizeByHead(context: Context, place: Place, answer: Answer, call: Call): Promise<number> {
  try {
    return (await resolveBlob(context, place.repository, place.digest, call)).value.size;
  } catch (thrown) {
    answer.abort(thrown);
    throw thrown;
  }
}
