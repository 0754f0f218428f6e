import { classify, type Exchange, type Summary, summarize } from './count.ts';
import { createFrames, type Frames, requestBody, responseBody } from './frames.ts';

/** What watches the bytes of one direction of a connection. */
export type Watch = { readonly saw: (bytes: Uint8Array) => void; readonly closed: () => void };

export type Meter = {
  /** For a new connection. */
  readonly watch: () => { readonly client: Watch; readonly server: Watch };
  /** Requests answered so far, and those that were cut (status 0 before a status line came). */
  readonly exchanges: () => readonly Exchange[];
  readonly summary: () => Summary;
  /** Everything that went over the wire, with headers and chunk framing. */
  readonly wireBytes: () => { readonly sent: number; readonly received: number };
  readonly reset: () => void;
};

type Open = { method: string; path: string; status: number; sentBytes: number; receivedBytes: number };

export function createMeter(): Meter {
  let done: Exchange[] = [];
  let wire = { sent: 0, received: 0 };
  const record = (open: Open) => void done.push({ ...open, class: classify(open.path) });
  return {
    watch: () => {
      const waiting: Open[] = [];
      const requests = watchRequests(waiting);
      const responses = watchResponses(waiting, record);
      const sent = (bytes: Uint8Array) => {
        wire.sent += bytes.length;
        requests.push(bytes);
      };
      const received = (bytes: Uint8Array) => {
        wire.received += bytes.length;
        responses.push(bytes);
      };
      const cut = () => {
        responses.close();
        for (const open of waiting.splice(0)) record(open);
      };
      return { client: { saw: sent, closed: () => undefined }, server: { saw: received, closed: cut } };
    },
    exchanges: () => done,
    summary: () => summarize(done),
    wireBytes: () => wire,
    reset: () => {
      done = [];
      wire = { sent: 0, received: 0 };
    },
  };
}

function watchRequests(waiting: Open[]): Frames {
  return createFrames({
    head: (start, headers) => {
      const [method = '', path = ''] = start.split(' ');
      waiting.push({ method, path, status: 0, sentBytes: 0, receivedBytes: 0 });
      return requestBody(headers);
    },
    body: (bytes) => {
      const open = waiting.at(-1);
      if (open) open.sentBytes += bytes;
    },
    end: () => undefined,
  });
}

function watchResponses(waiting: Open[], record: (open: Open) => void): Frames {
  let interim = false;
  return createFrames({
    head: (start, headers) => {
      const status = Number(start.split(' ')[1]);
      interim = status < 200;
      const open = waiting[0];
      if (open) open.status = status;
      return responseBody(open?.method ?? 'GET', status, headers);
    },
    body: (bytes) => {
      const open = waiting[0];
      if (open) open.receivedBytes += bytes;
    },
    end: () => {
      const open = interim ? undefined : waiting.shift();
      if (open) record(open);
    },
  });
}
