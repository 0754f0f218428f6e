import { Counter, Gauge, Histogram, type Registry as PromRegistry } from 'prom-client';
import type { FlightFact, ProxyEvent, UpstreamState, Verdict } from '#registries/proxy';

/** What pull-through does, as figures. */
export type ProxyMetrics = {
  /** Takes what proxies, flights and upstreams tell. Plain numbers only: it is called on every pull. */
  observe(event: ProxyEvent): void;
  register(registry: PromRegistry): void;
};

export type ProxyMetricsOptions = {
  /** Asked at each scrape. */
  readonly upstreams: () => readonly UpstreamState[];
  readonly flights: () => readonly FlightFact[];
};

/** Verdicts whose bytes did not come from the upstream. */
const SAVING: readonly Verdict[] = ['hit', 'revalidated', 'stale-if-error', 'offline'];
/** From a config to the layer of a model, in bytes. */
const FLIGHT_BUCKETS = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
const BREAKER_VALUE = { closed: 0, 'half-open': 1, open: 2 } as const;

/** Counts by labels, kept as plain numbers until a scrape asks. */
type Counts = ReturnType<typeof createCounts>;

export function createProxyMetrics(options: ProxyMetricsOptions): ProxyMetrics {
  const answers = createAnswerCounts();
  const requests = createCounts('upstream', 'operation', 'outcome');
  const seconds = createCounts('upstream', 'operation');
  const evicted = createCounts('namespace');
  const flights = createCounts('outcome');
  const joined = createCounts('upstream');
  const resumed = createCounts('upstream');
  const sizes = new Histogram({
    name: 'entrepot_flight_size_bytes',
    help: 'Sizes of blobs that were downloaded for readers.',
    buckets: FLIGHT_BUCKETS,
    registers: [],
  });
  return {
    observe(event) {
      switch (event.kind) {
        case 'answer':
          answers.add(event);
          break;
        case 'upstream':
          requests.add(1, event.host, event.operation, event.outcome);
          seconds.add(event.durationMs / 1000, event.host, event.operation);
          break;
        case 'flight-joined':
          joined.add(1, event.flight.host);
          break;
        case 'flight-resumed':
          resumed.add(1, event.host);
          break;
        case 'flight-ended':
          flights.add(1, event.outcome);
          if (event.outcome === 'stored') sizes.observe(event.flight.sizeBytes);
          break;
        case 'evicted':
          evicted.add(event.bytes, event.namespace);
          break;
      }
    },
    register(registry) {
      const counter = (counts: Counts, name: string, help: string) => registerCounter(registry, counts, { name, help });
      const { total, answeredBytes, savedBytes } = answers;
      counter(total, 'entrepot_proxy_answers_total', 'Answers of proxy namespaces, by how they were come by.');
      counter(answeredBytes, 'entrepot_proxy_answered_bytes_total', 'Bytes answered by proxy namespaces.');
      counter(savedBytes, 'entrepot_proxy_saved_bytes_total', 'Bytes of them that were here.');
      counter(requests, 'entrepot_upstream_requests_total', 'Requests to upstreams of proxies, by outcome.');
      counter(seconds, 'entrepot_upstream_seconds_total', 'Time they took.');
      counter(evicted, 'entrepot_proxy_evicted_bytes_total', 'Bytes dropped to keep within maxBytes.');
      counter(flights, 'entrepot_flights_total', 'Downloads that ended.');
      counter(joined, 'entrepot_flight_joins_total', 'Readers who joined a download under way.');
      counter(resumed, 'entrepot_flight_resumes_total', 'Broken downloads that went on.');
      registry.registerMetric(sizes);
      registerGauges(registry, options);
    },
  };
}

type Count = { readonly labels: Readonly<Record<string, string>>; value: number };

function createCounts(...labelNames: readonly string[]) {
  const counts = new Map<string, Count>();
  const of = (labels: readonly string[]): Count => {
    const key = labels.join('\n');
    const known = counts.get(key);
    if (known) return known;
    const named = Object.fromEntries(labelNames.map((name, index) => [name, labels[index] ?? '']));
    const made = { labels: named, value: 0 };
    counts.set(key, made);
    return made;
  };
  return {
    labelNames,
    counts,
    of,
    add(value: number, ...labels: readonly string[]): void {
      of(labels).value += value;
    },
  };
}

type Answer = Extract<ProxyEvent, { readonly kind: 'answer' }>;

/** Counts of answers. There is one on every pull: those of a kind are found by three look-ups, without making a key. */
function createAnswerCounts() {
  const total = createCounts('namespace', 'what', 'verdict');
  const answeredBytes = createCounts('namespace');
  const savedBytes = createCounts('namespace');
  type Kind = { readonly total: Count; readonly answered: Count; readonly saved: Count | undefined };
  const kinds = new Map<string, Map<string, Map<string, Kind>>>();
  const kindOf = ({ namespace, what, verdict }: Answer): Kind => {
    const ofNamespace = existing(kinds, namespace, () => new Map<string, Map<string, Kind>>());
    const ofWhat = existing(ofNamespace, what, () => new Map<string, Kind>());
    return existing(ofWhat, verdict, () => ({
      total: total.of([namespace, what, verdict]),
      answered: answeredBytes.of([namespace]),
      saved: SAVING.includes(verdict) ? savedBytes.of([namespace]) : undefined,
    }));
  };
  return {
    total,
    answeredBytes,
    savedBytes,
    add(answer: Answer): void {
      const kind = kindOf(answer);
      kind.total.value += 1;
      kind.answered.value += answer.bytes;
      if (kind.saved) kind.saved.value += answer.bytes;
    },
  };
}

function existing<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

type Named = { readonly name: string; readonly help: string };

function registerCounter(registry: PromRegistry, { counts, labelNames }: Counts, { name, help }: Named): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of counts.values()) this.inc(labels, value);
    },
  });
}

type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

function registerGauges(registry: PromRegistry, { upstreams, flights }: ProxyMetricsOptions): void {
  const gauge = ({ name, help }: Named, labelNames: readonly string[], read: () => readonly Sample[]) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set(labels, value);
      },
    });
  const ofEach = (pick: (state: UpstreamState) => number) => () =>
    upstreams().map((state) => ({ labels: { upstream: state.host }, value: pick(state) }));
  const ofQuotas = (pick: 'limit' | 'remaining') => () =>
    upstreams().flatMap(({ host, quotas }) =>
      quotas.flatMap((quota) => {
        const value = quota[pick];
        return value === undefined ? [] : [{ labels: { upstream: host, account: quota.account }, value }];
      }),
    );
  const account = ['upstream', 'account'];
  const named = (name: string, help: string): Named => ({ name: `entrepot_${name}`, help });
  gauge(named('upstream_quota_limit', 'Pulls that an upstream allows in its window.'), account, ofQuotas('limit'));
  gauge(named('upstream_quota_remaining', 'Pulls left of them, as last said.'), account, ofQuotas('remaining'));
  const upstream = ['upstream'];
  gauge(
    named('upstream_breaker', 'Whether an upstream is asked: 0 yes, 1 a probe is out, 2 no.'),
    upstream,
    ofEach(({ breaker }) => BREAKER_VALUE[breaker.state]),
  );
  gauge(
    named('upstream_pulls', 'Manifests fetched since the start.'),
    upstream,
    ofEach(({ pulls }) => pulls),
  );
  gauge(
    named('upstream_bytes', 'Bytes received since the start.'),
    upstream,
    ofEach(({ bytes }) => bytes),
  );
  gauge(
    named('upstream_active', 'Requests under way.'),
    upstream,
    ofEach(({ active }) => active),
  );
  gauge(
    named('upstream_waiting', 'Requests that wait for a turn.'),
    upstream,
    ofEach(({ waiting }) => waiting),
  );
  const sum = (pick: (flight: FlightFact) => number) => () => [
    { labels: {}, value: flights().reduce((total, flight) => total + pick(flight), 0) },
  ];
  gauge(
    named('flights', 'Downloads under way.'),
    [],
    sum(() => 1),
  );
  gauge(
    named('flight_readers', 'Readers of downloads under way.'),
    [],
    sum(({ readers }) => readers),
  );
  gauge(named('flight_missing_bytes', 'Bytes still to come of them.'), [], sum(missingBytes));
}

function missingBytes({ sizeBytes, receivedBytes }: FlightFact): number {
  return Math.max(0, sizeBytes - receivedBytes);
}
