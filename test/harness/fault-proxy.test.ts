import { afterEach, expect, test } from 'bun:test';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const blob = crypto.getRandomValues(new Uint8Array(60_000));
let stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
});

function start(answer: (request: Request) => Response | Promise<Response>): FaultProxy {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, maxRequestBodySize: 1e9, fetch: answer });
  const proxy = startFaultProxy({ port: server.port ?? 0 });
  stops.push(proxy.stop, () => void server.stop(true));
  return proxy;
}
const url = (proxy: FaultProxy, path: string) => `http://${proxy.host}${path}`;

test('counts requests by kind and payload bytes both ways', async () => {
  const proxy = start(async (request) => {
    if (request.method === 'PUT') await request.arrayBuffer();
    if (request.method === 'HEAD') return new Response(null, { headers: { 'content-length': '60000' } });
    return new Response(request.method === 'GET' ? blob : null);
  });
  await (await fetch(url(proxy, '/v2/'))).arrayBuffer();
  await fetch(url(proxy, `/v2/a/b/manifests/${digest}`), { method: 'HEAD' });
  await (await fetch(url(proxy, `/v2/a/b/blobs/${digest}`))).arrayBuffer();
  await fetch(url(proxy, '/v2/a/b/blobs/uploads/1?digest=x'), { method: 'PUT', body: blob.slice(0, 1000) });
  expect(proxy.summary()).toEqual({
    requests: 4,
    sentBytes: 1000,
    receivedBytes: 120_000,
    byKind: { 'GET ping': 1, 'HEAD manifest': 1, 'GET blob': 1, 'PUT upload': 1 },
  });
  expect(proxy.exchanges().map((each) => each.status)).toEqual([200, 200, 200, 200]);
});

test('64 MB pass unharmed to a slow reader and from a slow server', async () => {
  const big = Buffer.alloc(64 * 1024 * 1024, blob);
  const proxy = start(async (request) => {
    if (request.method === 'GET') return new Response(big);
    const hasher = new Bun.CryptoHasher('sha256');
    for await (const piece of request.body ?? []) {
      await Bun.sleep(0);
      hasher.update(piece);
    }
    return new Response(hasher.digest('hex'));
  });
  const sum = new Bun.CryptoHasher('sha256').update(big).digest('hex');
  const put = await fetch(url(proxy, '/v2/a/blobs/uploads/1'), { method: 'PUT', body: big });
  expect(await put.text()).toBe(sum);
  const hasher = new Bun.CryptoHasher('sha256');
  const get = await fetch(url(proxy, `/v2/a/blobs/${digest}`));
  for await (const piece of get.body ?? []) {
    await Bun.sleep(0);
    hasher.update(piece);
  }
  expect(hasher.digest('hex')).toBe(sum);
  expect(proxy.summary().sentBytes).toBe(big.length);
  expect(proxy.summary().receivedBytes).toBe(big.length + 64);
});

test('a cut transfer is recorded and reaches the client as a cut', async () => {
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this');
        socket.end();
      },
    },
  });
  const proxy = startFaultProxy({ port: server.port });
  stops.push(proxy.stop, () => void server.stop(true));
  const read = fetch(url(proxy, '/v2/')).then((response) => response.arrayBuffer());
  await expect(read).rejects.toThrow();
  expect(proxy.exchanges()).toEqual([
    { method: 'GET', path: '/v2/', class: 'ping', status: 200, sentBytes: 0, receivedBytes: 9 },
  ]);
});

test('a client that tries TLS first is not left waiting', async () => {
  const proxy = start(() => new Response('plain'));
  await expect(fetch(`https://${proxy.host}/v2/`)).rejects.toThrow();
  expect(await (await fetch(url(proxy, '/v2/'))).text()).toBe('plain');
});
