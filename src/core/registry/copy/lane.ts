import type { ByteStream } from '#core/std';

/** A stream with a writer who can wait for its reader. */
export type Lane = {
  readonly body: ByteStream;
  push(chunk: Uint8Array): void;
  end(): void;
  /** The reader gets this reason instead of an end. */
  fail(reason: unknown): void;
  /** The reader is gone: nothing more is kept for it. */
  close(): void;
  /** Resolves once no more than the buffer waits, or the lane is closed. */
  room(): Promise<void>;
  readonly closed: boolean;
  readonly failure: unknown;
  readonly queuedBytes: number;
  /** Bytes the reader took so far. */
  readonly takenBytes: number;
};

/** Tells how much the reader took, each time it is some bytes more. */
export type LaneReport = { readonly stepBytes: number; readonly onTaken: (bytes: number) => void };

type State = {
  readonly queue: Uint8Array[];
  queuedBytes: number;
  takenBytes: number;
  ended: boolean;
  closed: boolean;
  failure: { readonly reason: unknown } | undefined;
  wakeReader: () => void;
  wakeWriter: () => void;
};

export function createLane(bufferBytes: number, report: LaneReport): Lane {
  const state: State = {
    queue: [],
    queuedBytes: 0,
    takenBytes: 0,
    ended: false,
    closed: false,
    failure: undefined,
    wakeReader: () => {},
    wakeWriter: () => {},
  };
  let reportedBytes = 0;
  const close = () => closeLane(state);
  return {
    body: bodyOf(state, () => {
      if (state.queuedBytes <= bufferBytes) state.wakeWriter();
      if (state.takenBytes - reportedBytes < report.stepBytes) return;
      reportedBytes = state.takenBytes;
      report.onTaken(state.takenBytes);
    }),
    push(chunk) {
      state.queue.push(chunk);
      state.queuedBytes += chunk.byteLength;
      state.wakeReader();
    },
    end() {
      state.ended = true;
      state.wakeReader();
    },
    fail(reason) {
      state.failure ??= { reason };
      close();
    },
    close,
    room: () =>
      new Promise<void>((resolve) => {
        state.wakeWriter = resolve;
        if (state.closed || state.queuedBytes <= bufferBytes) resolve();
      }),
    get closed() {
      return state.closed;
    },
    get failure() {
      return state.failure?.reason;
    },
    get queuedBytes() {
      return state.queuedBytes;
    },
    get takenBytes() {
      return state.takenBytes;
    },
  };
}

function closeLane(state: State): void {
  state.closed = true;
  state.queue.length = 0;
  state.queuedBytes = 0;
  state.wakeReader();
  state.wakeWriter();
}

function bodyOf(state: State, onDelivered: () => void): ByteStream {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        while (!deliver(state, controller)) {
          await new Promise<void>((resolve) => {
            state.wakeReader = resolve;
          });
        }
        onDelivered();
      },
      cancel: () => closeLane(state),
    },
    { highWaterMark: 0 },
  );
}

/** Gives the reader what there is; false when it has to wait. */
function deliver(state: State, controller: ReadableStreamDefaultController<Uint8Array>): boolean {
  const chunk = state.queue.shift();
  if (state.failure) controller.error(state.failure.reason);
  else if (chunk) {
    state.queuedBytes -= chunk.byteLength;
    state.takenBytes += chunk.byteLength;
    controller.enqueue(chunk);
  } else if (state.ended) controller.close();
  else if (state.closed) controller.error(new Error('closed by its reader'));
  else return false;
  return true;
}
