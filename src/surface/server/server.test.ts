import { afterEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bounds, digestOf } from '#core/oci';
import { bodyOf, memory, type Registry } from '#core/registry';
import { type AppError, silentLog, systemClock } from '#core/std';
import { createStaticAccess } from './access.ts';
import type { AccessEvent } from './access-log.ts';
import { createDistribution } from './distribution/distribution.ts';
import { createHealth } from './health.ts';
import { createHostGuard } from './host-guard.ts';
import type { ServerLimits } from './limits.ts';
import { createServerMetrics } from './metrics.ts';
import { type ListenAddress, type RunningServer, startServer } from './server.ts';
import { createSite, type Surface } from './site.ts';

const running: RunningServer[] = [];
const folder = mkdtempSync(join(tmpdir(), 'entrepot-server-'));
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop({ graceMs: 0 });
});
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

type Options = {
  registry?: Registry;
  limits?: Partial<ServerLimits>;
  listen?: ListenAddress;
  api?: Surface;
  ready?: boolean;
};

function start({ registry = memory(), limits = {}, listen, api, ready = true }: Options = {}) {
  const events: AccessEvent[] = [];
  const metrics = createServerMetrics();
  const clock = systemClock();
  const distribution = createDistribution({
    registry,
    access: createStaticAccess({ anonymous: 'loopback-default' }),
    log: silentLog(),
    accessLog: (event) => events.push(event),
    metrics,
    clock,
    timer: performance.now.bind(performance),
    random: Math.random,
    limits,
  });
  const readiness = () => (ready ? { ready: true as const } : { ready: false as const, why: 'stopping' });
  const health = createHealth({ readiness, metrics, version: '1.2.3' });
  const fetchSite = createSite({ distribution, health, hostGuard: createHostGuard(), ...(api ? { api } : {}) });
  const address = listen ?? { hostname: '127.0.0.1', port: 0 };
  const server = startServer({ listen: address, fetch: fetchSite, clock, log: silentLog() });
  running.push(server);
  return { server, events, url: server.url };
}

/** What a server says to bytes sent by hand, until it closes or `isEnough`. */
function talk(port: number, request: string, more: { isEnough?: RegExp; afterwards?: (socket: Socket) => void } = {}) {
  return new Promise<string>((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(request);
      more.afterwards?.(socket);
    });
    const end = () => {
      socket.destroy();
      resolve(said);
    };
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      if (more.isEnough?.test(said)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

const HOST = 'Host: localhost\r\n';

async function push(url: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const path = `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`;
  const response = await fetch(url + path, { method: 'POST', body: bytes });
  expect(response.status).toBe(201);
  return `${url}${response.headers.get('location')}`;
}

describe('over a socket', () => {
  test('a blob is pushed and pulled, with its length, whole and in part', async () => {
    const { url } = start();
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const location = await push(url, bytes);
    const got = await fetch(location);
    expect(got.headers.get('content-length')).toBe('60000');
    expect(Buffer.from(await got.bytes()).equals(bytes)).toBe(true);
    const part = await fetch(location, { headers: { range: 'bytes=10-19' } });
    expect(part.headers.get('content-length')).toBe('10');
    expect(Buffer.from(await part.bytes()).equals(bytes.subarray(10, 20))).toBe(true);
    const head = await fetch(location, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('60000');
  });

  test('a file keeps its name to itself and obeys If-Range', async () => {
    const inner = memory();
    const path = join(folder, 'secret-name');
    const { url } = start({
      registry: {
        ...inner,
        async getBlob(repository, digest, options, call) {
          const { value, served } = await inner.getBlob(repository, digest, {}, call);
          await Bun.write(path, await new Response(bodyOf(value)).bytes());
          const { start: from = 0, end = value.descriptor.size } = options.range ?? {};
          const { descriptor } = value;
          return { served, value: { kind: 'file', descriptor, file: Bun.file(path).slice(from, end) } };
        },
      },
    });
    const location = await push(url, new TextEncoder().encode('0123456789'));
    const whole = await fetch(location, { headers: { range: 'bytes=1-2', 'if-range': '"old"' } });
    expect(whole.status).toBe(200);
    expect(await whole.text()).toBe('0123456789');
    expect(whole.headers.get('content-disposition')).toBe('attachment');
    const last = await fetch(location, { headers: { range: 'bytes=-3' } });
    expect(last.headers.get('content-range')).toBe('bytes 7-9/10');
    expect(await last.text()).toBe('789');
  });

  test('a file that vanishes before it is sent is an error of the API, not a page', async () => {
    const inner = memory();
    const { url } = start({
      registry: {
        ...inner,
        async getBlob(repository, digest, _options, call) {
          const { value: descriptor, served } = await inner.resolveBlob(repository, digest, call);
          return { served, value: { kind: 'file', descriptor, file: Bun.file(join(folder, 'gone')).slice(0, 10) } };
        },
      },
    });
    const response = await fetch(await push(url, new TextEncoder().encode('0123456789')));
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ errors: [{ code: 'INTERNAL' }] });
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
  });

  test('a client that asks before sending is told to go on', async () => {
    const { server } = start();
    const digest = digestOf('hello');
    const said = await talk(
      server.port,
      `POST /v2/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
      { isEnough: /201 Created/, afterwards: (socket) => setTimeout(() => socket.write('hello'), 50) },
    );
    expect(said).toStartWith('HTTP/1.1 100 Continue');
    expect(said).toContain('201 Created');
  });

  test('a manifest announced too large is refused at once, and the connection goes on', async () => {
    const { server } = start();
    const size = Bounds.manifestBytes + 1;
    const said = await talk(
      server.port,
      `PUT /v2/app/manifests/v1 HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`,
      {
        isEnough: /200 OK/,
        afterwards: (socket) => {
          socket.write(Buffer.alloc(size, 32));
          socket.write(`GET /v2/ HTTP/1.1\r\n${HOST}\r\n`);
        },
      },
    );
    expect(said).toContain('413 Payload Too Large');
    expect(said).toContain('MANIFEST_TOO_LARGE');
    expect(said).toContain('200 OK');
  });

  test('a sender that trickles is cut with 408, and stores nothing', async () => {
    const { server, url, events } = start({ limits: { sender: { windowMs: 100, minBytesPerWindow: 1000 } } });
    const digest = digestOf('a'.repeat(100_000));
    const request = `POST /v2/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\n${HOST}Content-Length: 100000\r\n\r\n`;
    const said = await talk(server.port, request, {
      afterwards: (socket) => {
        const timer = setInterval(() => socket.write('a'), 10);
        socket.on('close', () => clearInterval(timer));
      },
    });
    expect(said).toContain('408 Request Timeout');
    expect(said).toContain('REQUEST_TIMEOUT');
    expect(events.at(-1)).toMatchObject({ status: 408, code: 'REQUEST_TIMEOUT' });
    expect((await fetch(`${url}/v2/app/blobs/${digest}`)).status).toBe(404);
  });

  test('an upload that is cut off stores nothing and is told as the client’s doing', async () => {
    const { server, url, events } = start();
    const digest = digestOf('hello');
    const request = `POST /v2/app/blobs/uploads/?digest=${digest} HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhel`;
    await talk(server.port, request, { afterwards: (socket) => setTimeout(() => socket.destroy(), 50) });
    while (events.length === 0) await Bun.sleep(5);
    expect(events[0]).toMatchObject({ status: 499, bytesIn: 3 });
    expect((await fetch(`${url}/v2/app/blobs/${digest}`)).status).toBe(404);
  });

  test('a pull that is cut is told, with what was offered', async () => {
    const { server, url, events } = start();
    const bytes = new Uint8Array(32 * 1024 * 1024);
    const location = await push(url, bytes);
    const request = `GET ${new URL(location).pathname} HTTP/1.1\r\n${HOST}\r\n`;
    await talk(server.port, request, { isEnough: /200 OK/ });
    while (!events.some((event) => event.cut)) await Bun.sleep(5);
    expect(events.find((event) => event.cut)).toMatchObject({ kind: 'blobGet', bytesOut: bytes.length });
  });

  const foreign = [
    { name: 'Host', headers: 'Host: evil.example\r\n' },
    { name: 'Origin', headers: `${HOST}Origin: https://evil.example\r\n` },
    { name: 'Host that is none', headers: 'Host: a b/c\r\n' },
  ];
  test.each(foreign)('a foreign $name is refused, and that is logged', async ({ headers }) => {
    const { server, events } = start();
    const said = await talk(server.port, `GET /v2/ HTTP/1.1\r\n${headers}\r\n`, { isEnough: /errors/ });
    expect(said).toContain('403 Forbidden');
    expect(said).toContain('DENIED');
    expect(events).toMatchObject([{ status: 403, code: 'DENIED', address: '127.0.0.1' }]);
    expect(said).toContain(`x-request-id: ${events[0]?.requestId}`);
  });

  const hostile = [
    { name: 'dotted path', path: '/v2/../../etc/passwd', status: 404 },
    { name: 'escaped dotted path', path: '/v2/%2e%2e/%2e%2e/etc/passwd', status: 404 },
    { name: 'backslash path', path: '/v2\\..\\etc\\passwd', status: 404 },
    { name: 'escaped slashes', path: '/v2/%2F%2F..%2F/tags/list', status: 404 },
  ];
  test.each(hostile)('a $name finds nothing, and the next request works', async ({ path, status }) => {
    const { server } = start();
    const requests = `GET ${path} HTTP/1.1\r\n${HOST}\r\nGET /v2/ HTTP/1.1\r\n${HOST}\r\n`;
    const said = await talk(server.port, requests, { isEnough: /200 OK/ });
    expect(said).toStartWith(`HTTP/1.1 ${status}`);
    expect(said).toContain('"code":"NOT_FOUND"');
    expect(said).toContain('200 OK');
  });
});

describe('the site', () => {
  test('health, readiness, metrics, the rest', async () => {
    const { url } = start({ ready: false, api: (request) => apiAnswer(request) });
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok', version: '1.2.3' });
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ ready: false, why: 'stopping' });
    await fetch(`${url}/v2/`);
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('{kind="ping",status="2xx"} 1');
    expect(await (await fetch(`${url}/api/v1/status`)).text()).toBe('api');
    const nothing = await fetch(`${url}/nothing`);
    expect(nothing.status).toBe(404);
    expect(await nothing.json()).toMatchObject({ errors: [{ code: 'NOT_FOUND' }] });
  });
});

function apiAnswer(request: Request): Response | undefined {
  return request.url.includes('/api/') ? new Response('api') : undefined;
}

describe('the listener', () => {
  test('a taken port is an error with a hint, or the next free one', () => {
    const { server } = start();
    const listen = { hostname: '127.0.0.1', port: server.port };
    let thrown: unknown;
    try {
      start({ listen });
    } catch (error) {
      thrown = error;
    }
    expect((thrown as AppError).code).toBe('ADDRESS_IN_USE');
    expect((thrown as AppError).hint).toContain('server.listen');
    expect(start({ listen: { ...listen, tryNext: 20 } }).server.port).toBeGreaterThan(server.port);
  });

  test('an address that is not this machine’s', () => {
    expect(() => start({ listen: { hostname: '203.0.113.1', port: 0 } })).toThrow('cannot listen on 203.0.113.1:0');
  });

  test('a socket in the file system', async () => {
    const path = join(folder, 'api.sock');
    const { server } = start({ listen: { unix: path } });
    expect(server.url).toBe(`unix:${path}`);
    expect((await fetch('http://localhost/v2/', { unix: path })).status).toBe(200);
  });

  test('a stop lets transfers end and takes no new connection', async () => {
    const { server, url } = start({ registry: slowTags(100) });
    const answer = fetch(`${url}/v2/app/tags/list`);
    await Bun.sleep(30);
    const stopping = server.stop({ graceMs: 10_000 });
    await expect(fetch(`${url}/v2/`)).rejects.toThrow();
    expect((await answer).status).toBe(200);
    expect(await stopping).toEqual({ cut: 0 });
  });

  test('a stop cuts what does not end within its grace', async () => {
    const { server, url } = start({ registry: slowTags(60_000) });
    const answer = fetch(`${url}/v2/app/tags/list`).catch(() => 'cut');
    await Bun.sleep(30);
    expect(await server.stop({ graceMs: 50 })).toEqual({ cut: 1 });
    expect(await answer).toBe('cut');
  });
});

function slowTags(delayMs: number): Registry {
  return {
    ...memory(),
    tags: async () => {
      await Bun.sleep(delayMs);
      return { value: { items: [] }, served: { by: 'slow', warnings: [] } };
    },
  };
}
