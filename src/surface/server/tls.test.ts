import { afterEach, expect, test } from 'bun:test';
import { connect } from 'node:tls';
import { type AppError, manualClock, silentLog, systemClock } from '#core/std';
import { type RunningServer, startServer, type TlsPair } from './server.ts';
import { ONE, TWO } from './tls-fixture.ts';
import { reloadTlsOnChange } from './tls-reload.ts';

const running: RunningServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop({ graceMs: 0 });
});

function start(tls: TlsPair, port = 0): RunningServer {
  const server = startServer({
    listen: { hostname: '127.0.0.1', port },
    fetch: async (request) => {
      if (request.url.endsWith('/slow')) await Bun.sleep(150);
      return new Response('answered');
    },
    clock: systemClock(),
    log: silentLog(),
    tls,
  });
  running.push(server);
  return server;
}

/** The name in the certificate that a new connection meets. */
function servedName(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      resolve(String(subject.CN));
    });
    socket.on('error', reject);
  });
}

test('another certificate is taken without cutting a request', async () => {
  const server = start(ONE);
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  expect(await servedName(server.port)).toBe('one');
  const underway = fetch(`${server.url}/slow`, { tls: { rejectUnauthorized: false } });
  await Bun.sleep(50);
  server.reloadTls(TWO);
  for (let connection = 0; connection < 5; connection += 1) expect(await servedName(server.port)).toBe('two');
  expect(await (await underway).text()).toBe('answered');
});

const unusable = [
  { name: 'no PEM', tls: { cert: 'none', key: 'none' } },
  { name: 'a key of another certificate', tls: { cert: ONE.cert, key: TWO.key } },
];
test.each(unusable)('$name is refused, and the one before stays', async ({ tls }) => {
  const server = start(ONE);
  expect(codeOf(() => server.reloadTls(tls))).toBe('TLS_INVALID');
  expect(await servedName(server.port)).toBe('one');
  expect(codeOf(() => start(tls))).toBe('TLS_INVALID');
});

test('a taken port is told, though listeners share theirs for reloads', () => {
  const { port } = start(ONE);
  expect(codeOf(() => start(TWO, port))).toBe('ADDRESS_IN_USE');
});

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    return (thrown as AppError).code;
  }
  return 'nothing thrown';
}

test('files that change are applied; a pair that does not fit is logged and waited out', async () => {
  const bad = { cert: ONE.cert, key: TWO.key };
  const reads: TlsPair[] = [ONE, bad, bad, TWO, TWO];
  const applied: TlsPair[] = [];
  const lines: string[] = [];
  const stopping = new AbortController();
  await reloadTlsOnChange({
    read: async () => {
      const next = reads.shift();
      if (reads.length === 0) stopping.abort();
      return next ?? TWO;
    },
    current: ONE,
    apply(tls) {
      if (tls === bad) throw new Error('key does not fit');
      applied.push(tls);
    },
    clock: manualClock(),
    log: { ...silentLog(), error: (message) => lines.push(message), info: (message) => lines.push(message) },
    signal: stopping.signal,
  });
  expect(applied).toEqual([TWO]);
  expect(lines).toEqual(['TLS certificate not reloaded; the one before stays', 'TLS certificate reloaded']);
});
