import { afterEach, expect, test } from 'bun:test';
import { expiredCertificate } from './certificate.ts';
import { firstOf, type Rule, refusal, tokenRealm } from './fault.ts';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.ts';
import { createPacer } from './pacer.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const body = crypto.getRandomValues(new Uint8Array(300_000));
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function start(rule?: Rule, options: Partial<FaultProxyOptions> = {}): FaultProxy {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => new Response(request.method === 'HEAD' ? null : body, { headers: { 'x-said': 'truth' } }),
  });
  const proxy = startFaultProxy({ port: server.port ?? 0, ...(rule ? { rule } : {}), ...options });
  stops.push(proxy.stop, () => void server.stop(true));
  return proxy;
}
const get = (proxy: FaultProxy, path = `/v2/a/blobs/${digest}`, init: RequestInit = {}) =>
  fetch(`http://${proxy.host}${path}`, init);

/** What came before the transfer ended, cleanly or not. */
async function read(response: Response): Promise<{ bytes: Uint8Array; clean: boolean }> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of response.body ?? []) pieces.push(piece);
    return { bytes: Buffer.concat(pieces), clean: true };
  } catch {
    return { bytes: Buffer.concat(pieces), clean: false };
  }
}

test('nth counts requests of a method and class; the rest goes by untouched', async () => {
  const proxy = start((request) => (request.class === 'blob' && request.nth === 2 ? refusal(503, 'X') : undefined));
  const statuses = [];
  for (const path of ['/v2/', `/v2/a/blobs/${digest}`, '/v2/a/manifests/1', `/v2/a/blobs/${digest}`, '/v2/']) {
    const response = await get(proxy, path);
    statuses.push(response.status);
    if (response.ok) expect(await response.bytes()).toEqual(body);
    else expect(await response.json()).toEqual({ errors: [{ code: 'X', message: 'the upstream says X' }] });
  }
  expect(statuses).toEqual([200, 200, 200, 503, 200]);
  expect(proxy.list()).toEqual(['GET ping 200', 'GET blob 200', 'GET manifest 200', 'GET blob 503', 'GET ping 200']);
});

test('an answer of its own has headers, and none of a body for HEAD', async () => {
  const proxy = start(() => refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '7' }));
  const response = await get(proxy, '/v2/a/manifests/1', { method: 'HEAD' });
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
  expect((await get(proxy)).status).toBe(429);
});

/** Every byte that came: `fetch` forgets the last ones before a cut. */
function untilClosed(port: number, request: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const pieces: Buffer[] = [];
  Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      open: (socket) => void socket.write(request),
      data: (_, bytes) => void pieces.push(Buffer.from(bytes)),
      close: () => resolve(Buffer.concat(pieces)),
    },
  }).catch(reject);
  return promise;
}

const cuts = [0, 1, 299_999];
for (const cutAt of cuts) {
  test(`a cut at byte ${cutAt} gives just those bytes, and no clean end`, async () => {
    const proxy = start(() => ({ cutAt }));
    const said = await untilClosed(proxy.port, `GET /v2/a/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const headEnd = said.indexOf('\r\n\r\n') + 4;
    expect(said.toString('latin1', 0, headEnd).toLowerCase()).toContain(`content-length: ${body.length}\r\n`);
    expect(Buffer.compare(said.subarray(headEnd), body.slice(0, cutAt))).toBe(0);
    expect(proxy.summary().receivedBytes).toBe(cutAt);
    expect((await read(await get(proxy))).clean).toBe(false);
  });
}

test('a cut before the head is no answer', async () => {
  const proxy = start(() => ({ cutAt: 'head' }));
  await expect(get(proxy)).rejects.toThrow();
  expect(proxy.list()[0]).toBe('GET blob 0');
});

for (const hangAt of ['head', 1000] as const) {
  test(`hangs at ${hangAt}, and the connection stays`, async () => {
    const proxy = start(() => ({ hangAt }));
    const pieces: number[] = [];
    const asked = (async () => {
      for await (const piece of (await get(proxy)).body ?? []) pieces.push(piece.length);
      return 'ended';
    })();
    const first = await Promise.race([asked.catch(() => 'failed'), Bun.sleep(100).then(() => 'waits')]);
    expect(first).toBe('waits');
    expect(pieces.reduce((sum, each) => sum + each, 0)).toBe(hangAt === 'head' ? 0 : hangAt);
    proxy.stop();
    await expect(asked).rejects.toThrow();
  });
}

test('damage changes one byte and no length', async () => {
  const proxy = start(() => ({ damageAt: 123_456 }));
  const { bytes, clean } = await read(await get(proxy));
  expect(clean).toBe(true);
  const wrong = [...bytes.keys()].filter((at) => bytes[at] !== body[at]);
  expect([bytes.length, wrong]).toEqual([body.length, [123_456]]);
});

for (const resizeTo of [1000, 300_100]) {
  test(`another length, ${resizeTo}, is a clean answer`, async () => {
    const proxy = start(() => ({ resizeTo }));
    const response = await get(proxy);
    expect(response.headers.get('content-length')).toBe(String(resizeTo));
    const { bytes, clean } = await read(response);
    expect([bytes.length, clean]).toEqual([resizeTo, true]);
  });
}

test('headers are changed, added and taken out', async () => {
  const proxy = start(() => ({ headers: { 'X-Said': 'a lie', 'X-More': '1', Date: null } }));
  const { headers } = await get(proxy);
  expect([headers.get('x-said'), headers.get('x-more'), headers.get('date')]).toEqual(['a lie', '1', null]);
});

test('a request with a body that is answered here leaves nothing for the next', async () => {
  const proxy = start((request) => (request.method === 'POST' ? refusal(403, 'DENIED') : undefined));
  for (let round = 0; round < 3; round++) {
    const post = await get(proxy, '/token', { method: 'POST', body: 'x'.repeat(100_000) });
    expect([post.status, (await post.text()).length]).toEqual([403, 67]);
    expect(await (await get(proxy)).bytes()).toEqual(body);
  }
});

test('down refuses, up answers again at the same address', async () => {
  const proxy = start();
  await (await get(proxy)).bytes();
  proxy.down();
  await expect(get(proxy)).rejects.toThrow();
  proxy.up();
  expect(await (await get(proxy)).bytes()).toEqual(body);
});

test('a realm wants a token, gives one, and can be limited', async () => {
  let limited = false;
  const realm = tokenRealm({
    host: () => proxy.host,
    limited: () => (limited ? refusal(429, 'TOOMANYREQUESTS') : undefined),
  });
  const proxy = start(firstOf(realm, () => undefined));
  const refused = await get(proxy, '/v2/a/b/manifests/1');
  const challenge = refused.headers.get('www-authenticate') ?? '';
  expect(refused.status).toBe(401);
  expect(challenge).toContain('scope="repository:a/b:pull"');
  const [, where = ''] = /realm="([^"]+)"/.exec(challenge) ?? [];
  const { token } = (await (await fetch(`${where}?service=test`)).json()) as { token: string };
  const headers = { authorization: `Bearer ${token}` };
  expect((await get(proxy, '/v2/a/b/manifests/1', { headers })).status).toBe(200);
  limited = true;
  expect((await fetch(where)).status).toBe(429);
  expect(proxy.list().filter((each) => each.startsWith('GET token'))).toEqual(['GET token 200', 'GET token 429']);
});

test('an expired certificate is a certificate, and expired', async () => {
  const tls = expiredCertificate();
  const proxy = start(undefined, { tls });
  const url = `https://${proxy.host}/v2/`;
  const trusting = { tls: { ca: tls.cert } } as RequestInit;
  const error = await fetch(url, trusting).then(
    () => 'answered',
    (failed: { code?: string }) => failed.code,
  );
  expect(error).toBe('CERT_HAS_EXPIRED');
  const careless = { tls: { rejectUnauthorized: false } } as RequestInit;
  expect(await (await fetch(url, careless)).bytes()).toEqual(body);
});

test('a pacer holds bytes to the rate, whoever sends them, and saves next to nothing up', () => {
  let now = 0;
  const pacer = createPacer(1000, () => now);
  expect([pacer(100), pacer(100)]).toEqual([90, 190]);
  now = 150;
  expect(pacer(50)).toBe(90);
  now = 10_000;
  expect(pacer(1000)).toBe(990);
});

test('brakes on the link and on an answer: bytes stay whole', async () => {
  const proxy = start(undefined, { bytesPerSecond: 10_000_000 });
  expect(await (await get(proxy)).bytes()).toEqual(body);
  proxy.setRule(() => ({ bytesPerSecond: 5_000_000, latencyMs: 5 }));
  expect(await (await get(proxy)).bytes()).toEqual(body);
});
