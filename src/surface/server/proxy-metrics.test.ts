import { expect, test } from 'bun:test';
import type { RepositoryName } from '#core/oci';
import type { FlightFact, UpstreamState } from '#registries/proxy';
import { createServerMetrics } from './metrics.ts';
import { createProxyMetrics } from './proxy-metrics.ts';

const repository = 'hub/library/redis' as RepositoryName;
const upstream: UpstreamState = {
  host: 'docker.io',
  breaker: { state: 'open', failures: 5, sinceMs: 0 },
  quotas: [
    { account: 'corp', limit: 200, remaining: 87, seenAtMs: 0 },
    { account: 'anonymous', seenAtMs: 0 },
  ],
  accounts: 2,
  reservePulls: 10,
  requests: 12,
  bytes: 3000,
  pulls: 4,
  active: 2,
  waiting: 1,
};
const flight: FlightFact = {
  digest: `sha256:${'0'.repeat(64)}` as FlightFact['digest'],
  repositories: [repository],
  host: 'docker.io',
  sizeBytes: 5_000_000,
  receivedBytes: 2_000_000,
  readers: 3,
  startedAtMs: 0,
};

test('a scrape says what proxies did', async () => {
  const proxies = createProxyMetrics({ upstreams: () => [upstream], flights: () => [flight] });
  const metrics = createServerMetrics([], proxies.register);
  const answer = { kind: 'answer', namespace: 'hub', what: 'manifest', repository } as const;
  proxies.observe({ ...answer, verdict: 'hit', bytes: 500 });
  proxies.observe({ ...answer, verdict: 'hit', bytes: 500 });
  proxies.observe({ ...answer, verdict: 'miss', bytes: 700 });
  proxies.observe({
    kind: 'upstream',
    host: 'docker.io',
    operation: 'getManifest',
    outcome: 'limited',
    bytes: 0,
    durationMs: 1500,
  });
  proxies.observe({ kind: 'flight-joined', flight });
  proxies.observe({ kind: 'flight-resumed', flight, host: 'docker.io', why: 'it broke off' });
  proxies.observe({ kind: 'flight-ended', flight, outcome: 'stored' });
  proxies.observe({ kind: 'evicted', namespace: 'hub', bytes: 9000, manifests: 1, blobs: 2 });
  const lines = (await metrics.text()).split('\n');
  for (const line of [
    'entrepot_proxy_answers_total{namespace="hub",what="manifest",verdict="hit"} 2',
    'entrepot_proxy_answers_total{namespace="hub",what="manifest",verdict="miss"} 1',
    'entrepot_proxy_answered_bytes_total{namespace="hub"} 1700',
    'entrepot_proxy_saved_bytes_total{namespace="hub"} 1000',
    'entrepot_upstream_requests_total{upstream="docker.io",operation="getManifest",outcome="limited"} 1',
    'entrepot_upstream_seconds_total{upstream="docker.io",operation="getManifest"} 1.5',
    'entrepot_upstream_quota_limit{upstream="docker.io",account="corp"} 200',
    'entrepot_upstream_quota_remaining{upstream="docker.io",account="corp"} 87',
    'entrepot_upstream_breaker{upstream="docker.io"} 2',
    'entrepot_flight_joins_total{upstream="docker.io"} 1',
    'entrepot_flight_resumes_total{upstream="docker.io"} 1',
    'entrepot_flights_total{outcome="stored"} 1',
    'entrepot_flight_size_bytes_bucket{le="10000000"} 1',
    'entrepot_flight_size_bytes_bucket{le="1000000"} 0',
    'entrepot_flights 1',
    'entrepot_flight_readers 3',
    'entrepot_flight_missing_bytes 3000000',
    'entrepot_proxy_evicted_bytes_total{namespace="hub"} 9000',
  ])
    expect(lines).toContain(line);
  expect(lines.filter((line) => line.includes('account="anonymous"'))).toEqual([]);
});
