/** Our own word for "nothing came for too long", told apart from everybody else's aborts. */
export class DeadlinePassed extends Error {
  readonly limitMs: number;

  constructor(limitMs: number) {
    super(`nothing came for ${limitMs / 1000} s`);
    this.name = 'DeadlinePassed';
    this.limitMs = limitMs;
  }
}

/** Ends one exchange when its caller gives up, or when it makes no progress for as long as it was given. */
export type Deadline = {
  readonly signal: AbortSignal;
  /** Starts waiting anew. The wait ends after `limitMs`, or up to twice that where it was touched often. */
  touch(limitMs: number): void;
  /** Stops waiting: it is our turn, not theirs. */
  pause(): void;
  abort(reason: unknown): void;
  /** No more use: releases the caller's signal. */
  end(): void;
};

export function createDeadline(outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  // One timer looks now and then whether anything happened: a timer for each piece of a blob costs more than the piece.
  let timer: ReturnType<typeof setInterval> | undefined;
  let timerMs = 0;
  let touches = 0;
  let seen = 0;
  let isWaiting = false;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  const look = () => {
    if (!isWaiting) stop();
    else if (touches === seen) controller.abort(new DeadlinePassed(timerMs));
    seen = touches;
  };
  const onOuter = () => controller.abort(outer?.reason);
  if (outer?.aborted) controller.abort(outer.reason);
  else outer?.addEventListener('abort', onOuter, { once: true });
  return {
    signal: controller.signal,
    touch(limitMs) {
      touches++;
      isWaiting = true;
      if (timer !== undefined && timerMs === limitMs) return;
      stop();
      timerMs = limitMs;
      seen = touches;
      timer = setInterval(look, limitMs);
    },
    pause() {
      isWaiting = false;
    },
    abort: (reason) => controller.abort(reason),
    end() {
      isWaiting = false;
      stop();
      outer?.removeEventListener('abort', onOuter);
    },
  };
}
