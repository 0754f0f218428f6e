import { afterEach, expect, test } from 'bun:test';
import { startTracing } from './tracing.ts';

type Exported = {
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
  readonly status: { readonly code?: number; readonly message?: string };
};

const servers: { stop(closes: boolean): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

function collector() {
  const spans: Exported[] = [];
  const headers: Headers[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      headers.push(request.headers);
      const body = (await request.json()) as { resourceSpans: { scopeSpans: { spans: Exported[] }[] }[] };
      spans.push(...body.resourceSpans.flatMap((each) => each.scopeSpans.flatMap((scope) => scope.spans)));
      return Response.json({});
    },
  });
  servers.push(server);
  return { spans, headers, url: `http://127.0.0.1:${server.port}` };
}

function attributesOf({ attributes }: Exported): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

test('a request upstream is a span, without its secrets', async () => {
  const { spans, headers, url } = collector();
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`, OTEL_EXPORTER_OTLP_HEADERS: 'x-team=a%20b, x-other=c' };
  const tracing = await startTracing({ env, version: '1.0.0' });
  const answer = (async (input: string) => {
    if (input.includes('refused')) throw Object.assign(new Error('nobody there'), { code: 'ECONNREFUSED' });
    return new Response('', { status: input.includes('limited') ? 429 : 200 });
  }) as unknown as typeof fetch;
  const traced = tracing?.traced(answer);
  await traced?.('https://registry.test/v2/app/manifests/v1?token=secret', { headers: { authorization: 'secret' } });
  await traced?.('https://registry.test/v2/limited', { method: 'HEAD' });
  await expect(traced?.('http://registry.test:5000/v2/refused')).rejects.toThrow('nobody there');
  await tracing?.stop();

  expect(headers[0]?.get('x-team')).toBe('a b');
  expect(JSON.stringify(spans)).not.toContain('secret');
  expect(spans.map(({ name }) => name)).toEqual(['GET registry.test', 'HEAD registry.test', 'GET registry.test:5000']);
  expect(spans.map(attributesOf)).toMatchObject([
    { 'url.path': '/v2/app/manifests/v1', 'http.response.status_code': 200 },
    { 'http.request.method': 'HEAD', 'http.response.status_code': 429, 'error.type': '429' },
    { 'server.port': 5000, 'error.type': 'ECONNREFUSED' },
  ]);
  expect(spans[2]?.status).toMatchObject({ message: 'nobody there' });
});

test('without an endpoint there is none', async () => {
  expect(await startTracing({ env: {}, version: '1.0.0' })).toBeUndefined();
  expect(await startTracing({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, version: '1.0.0' })).toBeUndefined();
});
