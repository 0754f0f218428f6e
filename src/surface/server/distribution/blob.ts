import { type Digest, isRegistryError, MediaType, type RepositoryName } from '#core/oci';
import { type BlobAnswer, type Served, bodyOf as streamOfAnswer } from '#core/registry';
import { chunksOf, streamFrom } from '#core/std';
import { isUnchanged } from './condition.ts';
import type { Exchange, Handlers } from './exchange.ts';
import { parseRange, type Slice } from './range.ts';
import { answer, answerWith } from './reply.ts';

type BlobAt = { readonly repository: RepositoryName; readonly digest: Digest };

export const blobHandlers: Pick<Handlers, 'blobGet' | 'blobHead' | 'blobDelete'> = {
  /** end-2: the whole blob, a range, several ranges, or where else it is found. */
  async blobGet(at, exchange) {
    const { http } = exchange;
    if (isUnchanged(http, etagOf(at.digest))) {
      await resolve(at, exchange);
      return answer(exchange, 304, headersOf(at.digest));
    }
    const range = http.headers.get('range');
    return range === null || !isRangeCurrent(http, at.digest) ? whole(at, exchange) : ranged(at, range, exchange);
  },

  async blobHead(at, exchange) {
    const { size } = await resolve(at, exchange);
    if (isUnchanged(exchange.http, etagOf(at.digest))) return answer(exchange, 304, headersOf(at.digest));
    return answer(exchange, 200, { ...headersOf(at.digest), 'content-length': String(size) });
  },

  async blobDelete({ repository, digest }, exchange) {
    await exchange.env.registry.deleteBlob(repository, digest, exchange.call);
    return answer(exchange, 202, {});
  },
};

const etagOf = (digest: Digest) => `"${digest}"`;

/** `attachment` and `nosniff`: a blob is anybody's bytes and must never be a page of this site. */
function headersOf(digest: Digest) {
  return {
    'content-type': MediaType.octets,
    'docker-content-digest': digest,
    etag: etagOf(digest),
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=31536000, immutable',
    'content-disposition': 'attachment',
    'x-content-type-options': 'nosniff',
  };
}

async function resolve({ repository, digest }: BlobAt, exchange: Exchange) {
  const { value, served } = await exchange.env.registry.resolveBlob(repository, digest, exchange.call);
  exchange.served = served;
  return value;
}

/** A range of a blob that is not the one the client began with is none. RFC 9110, section 13.1.5. */
function isRangeCurrent(http: Request, digest: Digest): boolean {
  const condition = http.headers.get('if-range');
  return condition === null || condition === etagOf(digest);
}

async function open(at: BlobAt, exchange: Exchange, options: { range?: Slice; redirectOk?: boolean }) {
  const opened: Served<BlobAnswer> = await exchange.env.registry.getBlob(
    at.repository,
    at.digest,
    options,
    exchange.call,
  );
  exchange.served = opened.served;
  return opened.value;
}

async function whole(at: BlobAt, exchange: Exchange): Promise<Response> {
  const value = await open(at, exchange, { redirectOk: true });
  return send(value, {
    exchange,
    status: 200,
    slice: { start: 0, end: value.descriptor.size },
    headers: headersOf(at.digest),
  });
}

async function ranged(at: BlobAt, range: string, exchange: Exchange): Promise<Response> {
  const { size } = await resolve(at, exchange);
  const slices = slicesOf(range, size, exchange);
  const [slice] = slices ?? [];
  if (!slices || !slice) return whole(at, exchange);
  if (slices.length > 1) return sendParts(at, slices, { exchange, size });
  const value = await open(at, exchange, { range: slice, redirectOk: true });
  return send(value, {
    exchange,
    status: 206,
    slice,
    headers: { ...headersOf(at.digest), 'content-range': contentRange(slice, size) },
  });
}

function slicesOf(range: string, size: number, exchange: Exchange): Slice[] | undefined {
  try {
    return parseRange(range, size, exchange.env.limits.rangesPerRequest);
  } catch (thrown) {
    if (isRegistryError(thrown, 'RANGE_INVALID')) exchange.errorHeaders = { 'content-range': `bytes */${size}` };
    throw thrown;
  }
}

const contentRange = ({ start, end }: Slice, size: number) => `bytes ${start}-${end - 1}/${size}`;

type Sending = {
  readonly exchange: Exchange;
  readonly status: number;
  readonly slice: Slice;
  readonly headers: Readonly<Record<string, string>>;
};

function send(value: BlobAnswer, { exchange, status, slice, headers }: Sending): Response {
  if (value.kind === 'redirect') {
    // 307: clients keep the method and, the host being another, drop their credentials.
    return answer(exchange, 307, { location: value.url, 'docker-content-digest': value.descriptor.digest });
  }
  exchange.bytesOut = slice.end - slice.start;
  exchange.longBody = true;
  if (value.kind === 'stream') return answerWith(exchange, headers, { status, body: value.body });
  // Bun sends a file by sendfile. The status is said because an unsaid 200 lets Bun answer Range by itself.
  const body = exchange.bytesOut === 0 ? new Uint8Array(0) : value.file;
  return answerWith(exchange, headers, { status, body });
}

/** Several ranges: parts with a boundary, each opened when its turn comes. RFC 9110, section 14.6. */
function sendParts(at: BlobAt, slices: readonly Slice[], { exchange, size }: { exchange: Exchange; size: number }) {
  // The digest makes a boundary that the blob itself can hold only by a collision.
  const boundary = at.digest.slice(-40);
  exchange.bytesOut = slices.reduce((sum, { start, end }) => sum + end - start, 0);
  exchange.longBody = true;
  const { 'content-type': partType, ...headers } = headersOf(at.digest);
  async function* parts(): AsyncGenerator<Uint8Array> {
    const text = new TextEncoder();
    for (const slice of slices) {
      yield text.encode(
        `\r\n--${boundary}\r\nContent-Type: ${partType}\r\nContent-Range: ${contentRange(slice, size)}\r\n\r\n`,
      );
      yield* chunksOf(streamOfAnswer(await open(at, exchange, { range: slice })));
    }
    yield text.encode(`\r\n--${boundary}--\r\n`);
  }
  return answerWith(
    exchange,
    { ...headers, 'content-type': `multipart/byteranges; boundary=${boundary}` },
    { status: 206, body: streamFrom(parts()) },
  );
}
