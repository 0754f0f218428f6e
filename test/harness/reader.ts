import type { Socket } from 'bun';
import { createFrames, responseBody } from './frames.ts';

export type Reader = {
  /** When the answer has ended; rejects when it breaks off. */
  readonly done: Promise<{ readonly status: number; readonly bytes: number; readonly digest?: string }>;
  readonly close: () => void;
};
export type ReaderOptions = {
  readonly range?: readonly [number, number];
  /** Reads so many bytes of the body and then nothing more, for ever. */
  readonly stallAfter?: number;
  readonly hash?: boolean;
  readonly accept?: string;
};

/** A GET that throws its bytes away as they come: hundreds of them cost next to nothing. */
export function openReader(target: { port: number; path: string }, options: ReaderOptions = {}): Reader {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<Reader['done']>>();
  // One that stalls is closed by whoever opened it.
  promise.catch(() => 'told to whoever waits for it');
  const hasher = options.hash ? new Bun.CryptoHasher('sha256') : undefined;
  let status = 0;
  let bytes = 0;
  let chunk: Uint8Array = new Uint8Array();
  let socket: Socket | undefined;
  const frames = createFrames({
    head: (start, headers) => {
      status = Number(start.split(' ')[1]);
      return responseBody('GET', status, headers);
    },
    body: (count, at) => {
      hasher?.update(chunk.subarray(at, at + count));
      bytes += count;
      if (bytes > (options.stallAfter ?? Number.POSITIVE_INFINITY)) socket?.pause();
    },
    end: () => {
      resolve({ status, bytes, ...(hasher ? { digest: `sha256:${hasher.digest('hex')}` } : {}) });
      socket?.end();
    },
  });
  Bun.connect({
    hostname: '127.0.0.1',
    port: target.port,
    socket: {
      open(opened) {
        socket = opened;
        const range = options.range ? `Range: bytes=${options.range[0]}-${options.range[1]}\r\n` : '';
        const accept = options.accept === undefined ? '' : `Accept: ${options.accept}\r\n`;
        opened.write(`GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\n${range}${accept}\r\n`);
      },
      data(_, piece) {
        chunk = piece;
        frames.push(piece);
      },
      close: () => reject(new Error(`the answer broke off: status ${status}, ${bytes} bytes`)),
    },
  }).catch(reject);
  return { done: promise, close: () => socket?.terminate() };
}
