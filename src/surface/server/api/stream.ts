import { viewOfError } from './error.ts';
import type { Running } from './operations.ts';
import type { ErrorView, ProgressEvent } from './schema.ts';

/** A long job as JSON lines: events while it runs, then one line with its end. */
export type JobLine<T> =
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  | { readonly type: 'alive' }
  | { readonly type: 'result'; readonly result: T }
  | { readonly type: 'error'; readonly error: ErrorView };

/** Connections that say nothing for minutes are cut by clients. */
const ALIVE_EVERY_MS = 15_000;

/** Runs a job for as long as its caller listens: who goes away ends it. */
export function streamJob<T>(request: Request, job: (running: Running) => Promise<T>): Response {
  const abort = new AbortController();
  request.signal.addEventListener('abort', () => abort.abort(), { once: true });
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let open = true;
      const send = (line: JobLine<T>) => {
        if (open) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      const alive = setInterval(() => send({ type: 'alive' }), ALIVE_EVERY_MS);
      const end = (line: JobLine<T>) => {
        clearInterval(alive);
        send(line);
        if (open) controller.close();
        open = false;
      };
      abort.signal.addEventListener('abort', () => {
        if (!open) return;
        open = false;
        clearInterval(alive);
        controller.error(abort.signal.reason);
      });
      job({ onProgress: (event) => send({ type: 'progress', event }), signal: abort.signal }).then(
        (result) => end({ type: 'result', result }),
        (thrown: unknown) => end({ type: 'error', error: viewOfError(thrown) }),
      );
    },
    cancel: () => abort.abort(),
  });
  return new Response(body, { headers: { 'content-type': 'application/jsonl' } });
}
