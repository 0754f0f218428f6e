import type { BlobAnswer, ByteRange, Call, Served } from '#core/registry';
import { bodyOf } from '#core/registry';
import type { ByteStream } from '#core/std';
import type { FlightWish } from '../types.ts';
import { refusalOf } from './error.ts';

/**
 * Where the disk is full, each reader gets the bytes from the upstream for itself: nothing is stored or shared, and the
 * pull works. A whole blob is checked by the source, as every registry's client does.
 */
export async function passThrough(
  { digest, sources }: FlightWish,
  range: ByteRange | undefined,
  call: Call,
): Promise<Served<BlobAnswer>> {
  const refusals: unknown[] = [];
  for (const { reader, repository, host } of sources) {
    try {
      const { value, served } = await reader.getBlob(repository, digest, range ? { range } : {}, call);
      const reason = 'passed through and not kept: the disk is full';
      return { value, served: { ...served, verdict: 'miss', upstream: host, reason } };
    } catch (thrown) {
      call.signal?.throwIfAborted();
      refusals.push(thrown);
    }
  }
  throw refusalOf(refusals);
}

/** The same as a body. */
export async function passThroughBody(wish: FlightWish, range: ByteRange | undefined, call: Call): Promise<ByteStream> {
  return bodyOf((await passThrough(wish, range, call)).value);
}
