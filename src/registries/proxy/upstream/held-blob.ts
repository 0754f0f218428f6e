import type { BlobAnswer, Handover } from '#core/registry';
import { type Outcome, outcomeOf } from './outcome.ts';
import type { Pace } from './pace.ts';
import { watchedStream } from './watched.ts';

export type Holding = {
  readonly pace: Pace | undefined;
  readonly signal: AbortSignal | undefined;
  /** Gives the connection back and tells of the exchange. Only the first counts. */
  end(outcome: Outcome, bytes: number): void;
};

/** A blob that keeps its connection until its body ended, was left, or was cut. */
export function heldBlob(value: BlobAnswer, { pace, signal, end: endExchange }: Holding): BlobAnswer {
  if (value.kind !== 'stream') {
    endExchange('ok', 0);
    return value;
  }
  let received = 0;
  const end = (outcome: Outcome) => {
    signal?.removeEventListener('abort', onAbort);
    endExchange(outcome, received);
  };
  // Cut by its caller: the client lets go of the connection by itself. Whoever took the body over says first what came.
  const onAbort = () => queueMicrotask(() => end('ok'));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  const watched = (body: Handover['body']) =>
    watchedStream(body, {
      pace,
      signal,
      onBytes: (bytes) => {
        received += bytes;
      },
      onEnd: (how) => end(how.kind === 'broken' && !signal?.aborted ? outcomeOf(how.thrown) : 'ok'),
    });
  const { handOver, descriptor } = value;
  const handedOver = (give: () => Handover): Handover => {
    const { body, end: endInner } = give();
    return {
      // Unlimited: as it is, because a native body goes where no stream of ours does.
      body: pace ? watched(body) : body,
      end(reason, receivedBytes) {
        endInner(reason);
        received = receivedBytes ?? (reason === undefined && !pace ? descriptor.size : received);
        end(reason === undefined || signal?.aborted ? 'ok' : outcomeOf(reason));
      },
    };
  };
  return {
    ...value,
    body: watched(value.body),
    ...(handOver ? { handOver: () => handedOver(handOver) } : {}),
  };
}
