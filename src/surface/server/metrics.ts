import { Counter, Gauge, Registry as PromRegistry } from 'prom-client';
import type { RequestKind } from '#core/oci';

/** A figure that somebody else keeps, asked for at each scrape. */
export type GaugeSource = {
  readonly name: string;
  readonly help: string;
  read(): number | Promise<number>;
};

/** Counts requests as plain numbers; a scrape makes them into Prometheus' text. */
export type ServerMetrics = {
  begin(): void;
  end(request: CountedRequest): void;
  /** The body of `/metrics`, and its Content-Type. */
  text(): Promise<string>;
  readonly contentType: string;
};

export type CountedRequest = {
  readonly kind: RequestKind | 'invalid';
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
};

/** Upper bounds in milliseconds: from a cached manifest to a layer over a slow link. */
const BUCKETS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 60_000] as const;
/** 1xx to 5xx, and one to spare for index 0. */
const STATUS_CLASSES = 6;

/** Plain numbers of one kind of request. */
type Tally = {
  readonly byClass: number[];
  readonly buckets: number[];
  sumMs: number;
  count: number;
};

/** `more` registers figures of others for the same scrape. */
export function createServerMetrics(
  gauges: readonly GaugeSource[] = [],
  more?: (registry: PromRegistry) => void,
): ServerMetrics {
  const tallies = new Map<string, Tally>();
  const bytes = { in: 0, out: 0, inFlight: 0 };
  const registry = createPromRegistry(tallies, bytes, gauges);
  more?.(registry);
  return {
    contentType: registry.contentType,
    begin() {
      bytes.inFlight += 1;
    },
    end(request) {
      bytes.inFlight -= 1;
      bytes.in += request.bytesIn;
      bytes.out += request.bytesOut;
      count(tallyOf(tallies, request.kind), request);
    },
    text: async () => `${await registry.metrics()}\n${histogramText(tallies)}`,
  };
}

function tallyOf(tallies: Map<string, Tally>, kind: string): Tally {
  const known = tallies.get(kind);
  if (known) return known;
  const tally: Tally = {
    byClass: new Array(STATUS_CLASSES).fill(0),
    buckets: new Array(BUCKETS_MS.length + 1).fill(0),
    sumMs: 0,
    count: 0,
  };
  tallies.set(kind, tally);
  return tally;
}

function count(tally: Tally, { status, durationMs }: CountedRequest): void {
  const statusClass = Math.floor(status / 100);
  tally.byClass[statusClass] = (tally.byClass[statusClass] ?? 0) + 1;
  let bucket = 0;
  while (bucket < BUCKETS_MS.length && durationMs > (BUCKETS_MS[bucket] ?? 0)) bucket += 1;
  tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1;
  tally.sumMs += durationMs;
  tally.count += 1;
}

function createPromRegistry(
  tallies: Map<string, Tally>,
  bytes: { in: number; out: number; inFlight: number },
  gauges: readonly GaugeSource[],
): PromRegistry {
  const registry = new PromRegistry();
  const registers = [registry];
  new Counter({
    name: 'entrepot_http_requests_total',
    help: 'Requests answered, by kind and class of status.',
    labelNames: ['kind', 'status'],
    registers,
    collect() {
      this.reset();
      for (const [kind, tally] of tallies) {
        tally.byClass.forEach((value, index) => {
          if (value > 0) this.inc({ kind, status: `${index}xx` }, value);
        });
      }
    },
  });
  const total = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  total('entrepot_http_received_bytes_total', 'Bytes of content taken in.', () => bytes.in);
  total('entrepot_http_offered_bytes_total', 'Bytes of content given out; a cut counts in full.', () => bytes.out);
  const inFlight: GaugeSource = {
    name: 'entrepot_http_in_flight',
    help: 'Requests whose answer has not begun.',
    read: () => bytes.inFlight,
  };
  for (const { name, help, read } of [inFlight, ...gauges]) {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read());
      },
    });
  }
  return registry;
}

/** prom-client's histogram counts by itself; this one was counted by hand, so its text is written by hand. */
function histogramText(tallies: Map<string, Tally>): string {
  const name = 'entrepot_http_request_duration_seconds';
  const lines = [`# HELP ${name} Time to the beginning of the answer.`, `# TYPE ${name} histogram`];
  for (const [kind, tally] of tallies) {
    let upTo = 0;
    BUCKETS_MS.forEach((bound, index) => {
      upTo += tally.buckets[index] ?? 0;
      lines.push(`${name}_bucket{kind="${kind}",le="${bound / 1000}"} ${upTo}`);
    });
    lines.push(`${name}_bucket{kind="${kind}",le="+Inf"} ${tally.count}`);
    lines.push(`${name}_sum{kind="${kind}"} ${tally.sumMs / 1000}`, `${name}_count{kind="${kind}"} ${tally.count}`);
  }
  return `${lines.join('\n')}\n`;
}
