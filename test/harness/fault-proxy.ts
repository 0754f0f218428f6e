import type { Socket, TCPSocketListener } from 'bun';
import { classify, type Exchange, type Summary, summarize } from './exchange.ts';
import { answerBytes, type Fault, type Rule, type Seen, tamperWith } from './fault.ts';
import { createFrames, type Frames, requestBody, responseBody } from './frames.ts';
import { end, handlers, type Link, newSide, type Open, type Side, send } from './link.ts';
import { createPacer, type Pacer } from './pacer.ts';

/**
 * A reverse proxy that counts, and does what its rule says. It passes bytes on as they are (so lengths, chunks and
 * `Host` stay the client's and the server's own) and reads the HTTP framing on the way. HTTP/1.1 without pipelining;
 * the server's side is loopback and plain.
 */
export type FaultProxy = {
  /** `127.0.0.1:port`, as a registry host. */
  readonly host: string;
  readonly port: number;
  /** Requests in the order in which they came; what a client was given counts, not what the server sent. */
  readonly exchanges: () => readonly Exchange[];
  /** `GET manifest 200` for each, in order. */
  readonly list: () => readonly string[];
  readonly summary: () => Summary;
  readonly reset: () => void;
  /** From now on; undefined: nothing happens to anybody. */
  readonly setRule: (rule: Rule | undefined) => void;
  /** Connections are refused, and those that are there end. */
  readonly down: () => void;
  readonly up: () => void;
  readonly stop: () => void;
};

export type FaultProxyOptions = {
  /** Of the server, on 127.0.0.1. */
  readonly port: number;
  readonly rule?: Rule;
  /** What all connections share. */
  readonly bytesPerSecond?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
};

// Bodies of requests that are answered here are a few bytes, and here at once.
const bodyPollMs = 1;

type Proxy = {
  readonly options: FaultProxyOptions;
  rule: Rule | undefined;
  exchanges: Open[];
  /** How many of each method and class there were. */
  readonly counts: Map<string, number>;
  readonly sockets: Set<Socket<Side>>;
  readonly pacer: Pacer | undefined;
};

export function startFaultProxy(options: FaultProxyOptions): FaultProxy {
  const pacer = options.bytesPerSecond === undefined ? undefined : createPacer(options.bytesPerSecond);
  const proxy: Proxy = { options, rule: options.rule, exchanges: [], counts: new Map(), sockets: new Set(), pacer };
  let listener: TCPSocketListener<Side> | undefined = listen(proxy, 0);
  const { port } = listener;
  function down(): void {
    listener?.stop(true);
    listener = undefined;
    for (const socket of proxy.sockets) socket.terminate();
  }
  return {
    host: `127.0.0.1:${port}`,
    port,
    exchanges: () => proxy.exchanges,
    list: () => proxy.exchanges.map((each) => `${each.method} ${each.class} ${each.status}`),
    summary: () => summarize(proxy.exchanges),
    reset: () => {
      proxy.exchanges = [];
      proxy.counts.clear();
    },
    setRule: (rule) => {
      proxy.rule = rule;
    },
    down,
    up: () => {
      listener ??= listen(proxy, port);
    },
    stop: down,
  };
}

function listen(proxy: Proxy, port: number): TCPSocketListener<Side> {
  return Bun.listen<Side>({
    hostname: '127.0.0.1',
    port,
    ...(proxy.options.tls === undefined ? {} : { tls: proxy.options.tls }),
    socket: {
      ...handlers(proxy.sockets, fromClient),
      open(client): void {
        client.data = newSide();
        proxy.sockets.add(client);
        client.data.link = newLink(proxy, client);
      },
    },
  });
}

function newLink(proxy: Proxy, client: Socket<Side>): Link {
  const link: Link = {
    client,
    server: undefined,
    requests: createFrames({
      head: (start, headers) => {
        const [method = '', path = ''] = start.split(' ');
        begin(proxy, link, { method, path, headers });
        return requestBody(headers);
      },
      body: (bytes) => {
        if (link.current) link.current.open.sentBytes += bytes;
      },
      end: () => {
        link.asked = true;
      },
    }),
    responses: watchResponses(() => link),
    current: undefined,
    held: [],
    waits: true,
    asked: false,
    hangs: false,
  };
  return link;
}

function watchResponses(find: () => Link): Frames {
  let interim = false;
  return createFrames({
    head: (start, headers) => {
      const open = find().current?.open;
      const status = Number(start.split(' ')[1]);
      interim = status < 200;
      if (open) open.status = status;
      return responseBody(open?.method ?? 'GET', status, headers);
    },
    body: (bytes) => {
      const open = find().current?.open;
      if (open) open.receivedBytes += bytes;
    },
    end: () => {
      if (!interim) find().current = undefined;
    },
  });
}

/** A request's head is here: what happens to it is decided. */
function begin(proxy: Proxy, link: Link, request: Pick<Seen, 'method' | 'path' | 'headers'>): void {
  const { method, path, headers } = request;
  const kind = classify(path);
  const nth = 1 + (proxy.counts.get(`${method} ${kind}`) ?? 0);
  proxy.counts.set(`${method} ${kind}`, nth);
  const range = headers.get('range');
  const open: Open = { method, path, class: kind, status: 0, sentBytes: 0, receivedBytes: 0 };
  if (range !== null) open.range = range;
  const fault = proxy.rule?.({ ...request, class: kind, nth }) ?? {};
  proxy.exchanges.push(open);
  link.current = { open, fault, tamper: tamperWith(fault, method) };
  link.waits = true;
  link.asked = false;
  const go = () => forward(proxy, link, fault);
  if (fault.latencyMs === undefined) queueMicrotask(go);
  else setTimeout(go, fault.latencyMs);
}

function forward(proxy: Proxy, link: Link, fault: Fault): void {
  if (link.client.data.ended) return;
  if (fault.answer && link.current) {
    // The rest of the request must not be taken for the next one.
    if (!link.asked) return void setTimeout(() => forward(proxy, link, fault), bodyPollMs);
    link.held = [];
    toClient(link, answerBytes(fault.answer, link.current.open.method));
  } else if (link.server) release(link, link.server);
  else connect(proxy, link);
}

function connect(proxy: Proxy, link: Link): void {
  Bun.connect<Side>({
    hostname: '127.0.0.1',
    port: proxy.options.port,
    data: newSide(link),
    socket: {
      ...handlers(proxy.sockets, (_, bytes) => fromServer(proxy, link, bytes)),
      open(server) {
        proxy.sockets.add(server);
        link.server = server;
        if (link.client.data.ended) server.terminate();
        else release(link, server);
      },
    },
  }).catch(() => link.client.terminate());
}

function release(link: Link, server: Socket<Side>): void {
  link.waits = false;
  for (const bytes of link.held.splice(0)) if (!send(server, bytes)) link.client.pause();
}

/** What TLS begins with: clients that are told of a plain registry may still try it first. */
const tlsHandshake = 0x16;

function fromClient(link: Link, bytes: Uint8Array): void {
  if (!link.server && !link.current && bytes[0] === tlsHandshake) {
    refuseTls(link);
    return;
  }
  // Between two requests everything waits until the rule has been asked.
  if (!link.current) link.waits = true;
  link.requests.push(bytes);
  if (link.waits || !link.server) link.held.push(bytes.slice());
  else if (!send(link.server, bytes)) link.client.pause();
}

/** As servers of plain HTTP do: a connection that only ended would be tried again, after a while. */
function refuseTls({ client }: Link): void {
  send(client, answerBytes({ status: 400, body: 'this is plain HTTP' }, 'GET'));
  end(client);
}

function fromServer(proxy: Proxy, link: Link, bytes: Uint8Array): void {
  if (link.hangs) return;
  const { current } = link;
  const passed = current?.tamper?.(bytes);
  const out = passed?.out ?? bytes;
  brake(proxy, link, out.length);
  if (out.length > 0 && !toClient(link, out)) link.server?.pause();
  if (passed?.finally === 'cut') {
    end(link.client);
    link.server?.terminate();
  } else if (passed?.finally === 'hang') link.hangs = true;
}

/** False: the client is behind. */
function toClient(link: Link, bytes: Uint8Array): boolean {
  link.responses.push(bytes);
  return send(link.client, bytes);
}

/** Bytes go at once and their time is waited for afterwards: exact over more than a few of them. */
function brake(proxy: Proxy, link: Link, bytes: number): void {
  const own = link.current?.fault.bytesPerSecond;
  const waitMs = Math.max(proxy.pacer?.(bytes) ?? 0, own === undefined ? 0 : (bytes / own) * 1000);
  const { server } = link;
  if (waitMs < 1 || !server) return;
  server.data.braked = true;
  server.pause();
  setTimeout(() => {
    server.data.braked = false;
    if (link.client.data.pending.length === 0) server.resume();
  }, waitMs);
}
