import { type BatchRunner, type CommandCall, type Outcome, openBatchRunner, type WriterOptions } from './batch.ts';
import { type ErrorData, errorFromData, errorToData, SqlError } from './error.ts';

/** The two ends of the writer's thread, and what they say to each other. */
type ToWriter =
  | { readonly kind: 'open'; readonly path: string }
  | { readonly kind: 'batch'; readonly calls: readonly CommandCall[] }
  | { readonly kind: 'close' };
type FromWriter =
  | { readonly kind: 'opened' | 'closed' }
  | { readonly kind: 'outcomes'; readonly outcomes: Outcome[] }
  | { readonly kind: 'failed'; readonly error: ErrorData };

declare const self: { onmessage: ((event: { readonly data: ToWriter }) => void) | null };
declare function postMessage(message: FromWriter): void;

/** The whole of a writer's entry file: `runWriter({ modules: [...] })`. Messages come one at a time, each awaits its answer. */
export function runWriter(options: WriterOptions): void {
  let runner: BatchRunner | undefined;
  const answer = async (message: ToWriter): Promise<FromWriter> => {
    switch (message.kind) {
      case 'open':
        runner = await openBatchRunner(message.path, options);
        return { kind: 'opened' };
      case 'batch':
        if (!runner) throw new SqlError('SQL_CLOSED', 'the writer has not opened a database');
        return { kind: 'outcomes', outcomes: await runner.run(message.calls) };
      case 'close':
        runner?.close();
        return { kind: 'closed' };
    }
  };
  self.onmessage = (event) => {
    answer(event.data).then(postMessage, (thrown: unknown) =>
      postMessage({ kind: 'failed', error: errorToData(thrown) }),
    );
  };
}

/** A writer on a thread of its own, so that a slow fsync stops nobody else. */
export type WriterThread = {
  open(path: string): Promise<void>;
  run(calls: readonly CommandCall[]): Promise<Outcome[]>;
  close(): Promise<void>;
};

export function startWriterThread(entry: URL, onLost: (error: SqlError) => void): WriterThread {
  const worker = new Worker(entry);
  let pending: { resolve(message: FromWriter): void; reject(error: SqlError): void } | undefined;
  let lost: SqlError | undefined;

  const lose = (why: string) => {
    if (lost) return;
    lost = new SqlError('SQL_WRITER_LOST', 'the thread that writes the database has died', {
      why,
      hint: 'restart; acknowledged writes are safe',
    });
    onLost(lost);
    pending?.reject(lost);
  };
  worker.onmessage = (event: MessageEvent<FromWriter>) => {
    const asked = pending;
    pending = undefined;
    asked?.resolve(event.data);
  };
  worker.onerror = (event) => lose(event.message);
  worker.addEventListener('close', () => lose('it ended'));

  const ask = async (message: ToWriter): Promise<FromWriter> => {
    if (lost) throw lost;
    const answer = await new Promise<FromWriter>((resolve, reject) => {
      pending = { resolve, reject };
      worker.postMessage(message);
    });
    if (answer.kind === 'failed') throw errorFromData(answer.error);
    return answer;
  };
  return {
    async open(path) {
      await ask({ kind: 'open', path });
    },
    async run(calls) {
      const answer = await ask({ kind: 'batch', calls });
      return answer.kind === 'outcomes' ? answer.outcomes : [];
    },
    async close() {
      if (!lost) await ask({ kind: 'close' });
      lost ??= new SqlError('SQL_CLOSED', 'the database is closed');
      worker.terminate();
    },
  };
}
