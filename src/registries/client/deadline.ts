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
  /** Starts waiting anew. */
  touch(limitMs: number): void;
  /** Stops waiting: it is our turn, not theirs. */
  pause(): void;
  abort(reason: unknown): void;
  /** No more use: releases the caller's signal. */
  end(): void;
};

export function createDeadline(outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pause = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const onOuter = () => controller.abort(outer?.reason);
  const end = () => {
    pause();
    outer?.removeEventListener('abort', onOuter);
  };
  if (outer?.aborted) controller.abort(outer.reason);
  else outer?.addEventListener('abort', onOuter, { once: true });
  return {
    signal: controller.signal,
    touch(limitMs) {
      pause();
      timer = setTimeout(() => controller.abort(new DeadlinePassed(limitMs)), limitMs);
    },
    pause,
    abort: (reason) => controller.abort(reason),
    end,
  };
}
