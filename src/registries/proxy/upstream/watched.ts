import type { ByteStream } from '#core/std';
import type { Pace } from './pace.ts';

export type Watched = {
  readonly pace: Pace | undefined;
  readonly signal: AbortSignal | undefined;
  onBytes(bytes: number): void;
  /** Once: at the end, with what broke it, or with nothing where its reader left. */
  onEnd(end: { readonly kind: 'done' | 'left' } | { readonly kind: 'broken'; readonly thrown: unknown }): void;
};

/** A stream as it is, paced and told of. The source is not touched before somebody reads. */
export function watchedStream(source: ByteStream, { pace, signal, onBytes, onEnd }: Watched): ByteStream {
  const open = () => source.getReader();
  let opened: ReturnType<typeof open> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        opened ??= open();
        const reader = opened;
        try {
          const { done, value } = await reader.read();
          if (done) {
            onEnd({ kind: 'done' });
            controller.close();
            return;
          }
          onBytes(value.byteLength);
          await pace?.pass(value.byteLength, signal);
          controller.enqueue(value);
        } catch (thrown) {
          onEnd({ kind: 'broken', thrown });
          await reader.cancel(thrown).catch(() => {});
          controller.error(thrown);
        }
      },
      async cancel(reason) {
        onEnd({ kind: 'left' });
        await (opened ?? source).cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
