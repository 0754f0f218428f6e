import { expect, test } from 'bun:test';
import { createFixture, pushManifest } from './distribution/fixture.ts';
import { createServerMetrics } from './metrics.ts';

test('requests, bytes and latencies are told in Prometheus’ form', async () => {
  const fixture = createFixture();
  const { text } = await pushManifest(fixture, { repository: 'app', reference: 'v1' });
  for (let pull = 0; pull < 3; pull += 1) await fixture.send('GET', '/v2/app/manifests/v1');
  await fixture.send('GET', '/v2/app/manifests/nothing');
  const lines = (await fixture.metrics.text()).split('\n');
  expect(lines).toContain('entrepot_http_requests_total{kind="manifestGet",status="2xx"} 3');
  expect(lines).toContain('entrepot_http_requests_total{kind="manifestGet",status="4xx"} 1');
  expect(lines).toContain(`entrepot_http_offered_bytes_total ${3 * text.length}`);
  expect(lines).toContain(`entrepot_http_received_bytes_total ${text.length + 2}`);
  expect(lines).toContain('entrepot_http_in_flight 0');
  expect(lines).toContain('entrepot_http_request_duration_seconds_count{kind="manifestGet"} 4');
  expect(lines).toContain('entrepot_http_request_duration_seconds_bucket{kind="manifestGet",le="+Inf"} 4');
});

test('buckets hold what is at most their bound, and all below', async () => {
  const metrics = createServerMetrics();
  for (const durationMs of [0.1, 0.3, 700, 100_000]) {
    metrics.begin();
    metrics.end({ kind: 'ping', status: 200, durationMs, bytesIn: 0, bytesOut: 0 });
  }
  const text = await metrics.text();
  const bucket = (bound: string) => new RegExp(`le="${bound}"} (\\d+)`).exec(text)?.[1];
  expect(['0.0001', '0.00025', '0.0005', '0.5', '1', '60', '\\+Inf'].map(bucket)).toEqual([
    '1',
    '1',
    '2',
    '2',
    '3',
    '3',
    '4',
  ]);
});

test('gauges are asked at each scrape', async () => {
  let sizeBytes = 1;
  const metrics = createServerMetrics([{ name: 'entrepot_store_bytes', help: 'Bytes.', read: async () => sizeBytes }]);
  expect(await metrics.text()).toContain('entrepot_store_bytes 1');
  sizeBytes = 2;
  expect(await metrics.text()).toContain('entrepot_store_bytes 2');
});
