import type { Descriptor } from '#core/oci';
import { AppError } from '#core/std';
import type { Call, Handover } from '../types.ts';
import type { RunContext } from './context.ts';

/**
 * A blob up to this size goes from connection to connection without passing through our hands, which halves the cost
 * of copying it: the destination checks its digest, as the contract asks of every registry. Where that fails it is sent
 * again the watched way, which tells whose fault it was; what is larger goes that way at once, for it can be resumed
 * where it broke, and is worth a progress bar.
 */
const MOST_BYTES = 64 * 1024 * 1024;
/** Nobody sees it stand still, so it has this long in all: a second a mebibyte, and some for the answer. */
const ANSWER_MS = 30_000;
const BYTES_A_MS = 1024 * 1.024;

export function mayHandOver(run: RunContext, { size }: Descriptor): boolean {
  return run.handingOver.works && size > 0 && size <= MOST_BYTES;
}

/** The blob was not passed on; it is still to be sent the watched way. */
export class HandoverError extends AppError {
  constructor(cause: unknown) {
    super('INTERNAL', 'a blob could not be passed on', { cause });
    this.name = 'HandoverError';
  }
}

export type Passing = {
  readonly handOver: () => Handover;
  readonly commit: (body: Handover['body'], watched: Call) => Promise<unknown>;
};

/** Passes a blob on. Answers what went wrong, after which the run's other blobs go the watched way. */
export async function passOn(
  run: RunContext,
  { size }: Descriptor,
  { handOver, commit }: Passing,
): Promise<HandoverError | undefined> {
  const { body, end } = handOver();
  const late = new AbortController();
  const done = new AbortController();
  const outer = run.call.signal;
  const call = { ...run.call, signal: outer ? AbortSignal.any([outer, late.signal]) : late.signal };
  const onLate = () => {
    const reason = new Error('the blob took too long');
    end(reason);
    late.abort(reason);
  };
  run.clock.sleep(ANSWER_MS + size / BYTES_A_MS, done.signal).then(onLate, () => {});
  try {
    await commit(body, call);
    end();
    return undefined;
  } catch (thrown) {
    end(thrown);
    run.handingOver.works = false;
    return new HandoverError(thrown);
  } finally {
    done.abort();
  }
}
