import { RegistryError } from '#core/oci';
import type { ByteStream } from '#core/std';
import { around, type Operation } from './operation.ts';
import type { BlobAnswer, Registry, Served, ServedBy } from './types.ts';

/** One operation that ended. What log lines, metrics and audit rows are made of. */
export type RegistryEvent = {
  readonly operation: Operation;
  /** `cut`: a body was not read to its end. */
  readonly outcome: 'ok' | 'failed' | 'cut';
  /** A wire code, or the name of another error. */
  readonly code?: string;
  readonly error?: unknown;
  /** Bytes of content read or written; of a file, those it holds: the kernel sends them and does not tell. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly served?: ServedBy;
};

export type Observer = {
  /** Called once an operation, when its answer or its body ended. Must be quick and must not throw. */
  readonly sink: (event: RegistryEvent) => void;
  /** Milliseconds from any beginning, such as `performance.now`. */
  readonly now: () => number;
};

/** A registry that tells of every operation, the failed ones too. It changes no answer. */
export function observed(next: Registry, { sink, now }: Observer): Registry {
  const failed = (operation: Operation, startMs: number, error: unknown) =>
    sink({ operation, outcome: 'failed', code: codeOf(error), error, bytes: 0, durationMs: now() - startMs });
  const counted = around(next, async (operation, proceed) => {
    const startMs = now();
    try {
      const answer = await proceed();
      const served = servedOf(answer);
      const bytes = bytesOf(operation, answer);
      sink({ operation, outcome: 'ok', bytes, durationMs: now() - startMs, ...(served ? { served } : {}) });
      return answer;
    } catch (thrown) {
      failed(operation, startMs, thrown);
      throw thrown;
    }
  });
  return {
    ...counted,
    async getBlob(repository, reference, options, call) {
      const operation: Operation = { name: 'getBlob', action: 'pull', repository, reference, call };
      const startMs = now();
      try {
        const answer = await next.getBlob(repository, reference, options, call);
        const end = (ending: Ending) =>
          sink({ operation, durationMs: now() - startMs, served: answer.served, ...ending });
        return reported(answer, end);
      } catch (thrown) {
        failed(operation, startMs, thrown);
        throw thrown;
      }
    },
  };
}

type Ending = Pick<RegistryEvent, 'outcome' | 'bytes' | 'code' | 'error'>;

function reported(answer: Served<BlobAnswer>, end: (ending: Ending) => void): Served<BlobAnswer> {
  const { value } = answer;
  if (value.kind !== 'stream') {
    end({ outcome: 'ok', bytes: value.kind === 'file' ? value.file.size : 0 });
    return answer;
  }
  // Without `handOver`: bytes that are passed on by another way would not be counted.
  const { handOver: _, ...rest } = value;
  return { served: answer.served, value: { ...rest, body: measured(value.body, end) } };
}

function measured(body: ByteStream, end: (ending: Ending) => void): ByteStream {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) {
            end({ outcome: 'ok', bytes });
            controller.close();
          } else {
            bytes += value.byteLength;
            controller.enqueue(value);
          }
        } catch (error) {
          end({ outcome: 'failed', bytes, code: codeOf(error), error });
          throw error;
        }
      },
      async cancel(reason) {
        end({ outcome: 'cut', bytes });
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function codeOf(error: unknown): string {
  if (error instanceof RegistryError) return error.code;
  return error instanceof Error ? error.name : 'INTERNAL';
}

function servedOf(answer: unknown): ServedBy | undefined {
  return hasServed(answer) ? answer.served : undefined;
}

function hasServed(answer: unknown): answer is { readonly served: ServedBy } {
  return typeof answer === 'object' && answer !== null && 'served' in answer;
}

/** Bytes that an operation moved, as its answer tells. */
function bytesOf({ name, offset = 0 }: Operation, answer: unknown): number {
  switch (name) {
    case 'getManifest':
      return hasServed(answer) && 'value' in answer ? sizeIn(answer.value) : 0;
    case 'putManifest':
    case 'putBlob':
      return sizeIn(answer);
    case 'append':
      return typeof answer === 'number' ? answer - offset : 0;
    case 'commit':
      return sizeIn(answer) - offset;
    default:
      return 0;
  }
}

/** `size` of a descriptor, or of an answer that has one. */
function sizeIn(answer: unknown): number {
  if (typeof answer !== 'object' || answer === null) return 0;
  if ('descriptor' in answer) return sizeIn(answer.descriptor);
  return 'size' in answer && typeof answer.size === 'number' ? answer.size : 0;
}
