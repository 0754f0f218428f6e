import type { RegistryError, RequestKind } from '#core/oci';
import type { Principal } from '#core/registry';
import type { AccessSink } from '../access-log.ts';
import type { ServerMetrics } from '../metrics.ts';
import type { Exchange } from './exchange.ts';

/** What is known of a request before it is understood. */
export type Arrival = {
  readonly http: Request;
  readonly path: string;
  readonly requestId: string;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly startMs: number;
  kind: RequestKind | 'invalid';
  principal: Principal | undefined;
  /** The full name, where the client used another. */
  repository: string | undefined;
  ns: string | undefined;
};

export type RecordOptions = {
  readonly accessLog: AccessSink;
  readonly metrics: ServerMetrics;
  readonly timer: () => number;
};

/** Tells log and metrics how requests ended: one fact, two views. */
export type Recorder = {
  begin(): void;
  /** The answer was handed over. */
  answered(arrival: Arrival, exchange: Exchange | undefined, outcome: { status: number; error?: RegistryError }): void;
  /** The client left while the answer's body was on its way. */
  cut(arrival: Arrival, exchange: Exchange, status: number): void;
};

export function createRecorder({ accessLog, metrics, timer }: RecordOptions): Recorder {
  const line = (arrival: Arrival, exchange: Exchange | undefined, outcome: Outcome) => {
    // No spreads and no optional keys: this runs on every request.
    accessLog({
      timeMs: arrival.timeMs,
      requestId: arrival.requestId,
      kind: arrival.kind,
      method: arrival.http.method,
      path: arrival.path,
      status: outcome.status,
      durationMs: outcome.durationMs,
      bytesIn: exchange?.bytesIn ?? 0,
      bytesOut: exchange?.bytesOut ?? 0,
      address: arrival.address,
      principal: arrival.principal?.name ?? '',
      userAgent: arrival.http.headers.get('user-agent'),
      code: outcome.error?.code,
      by: exchange?.served?.by,
      verdict: exchange?.served?.verdict,
      upstream: exchange?.served?.upstream ?? outcome.error?.upstream?.registry,
      reason: exchange?.served?.reason ?? (outcome.error && reasonOf(outcome.error)),
      repository: arrival.repository,
      cut: outcome.cut,
    });
  };
  return {
    begin: metrics.begin,
    answered(arrival, exchange, { status, error }) {
      const durationMs = timer() - arrival.startMs;
      const bytesIn = exchange?.bytesIn ?? 0;
      const bytesOut = exchange?.bytesOut ?? 0;
      metrics.end({ kind: arrival.kind, status, durationMs, bytesIn, bytesOut });
      line(arrival, exchange, { status, durationMs, error, cut: false });
    },
    cut(arrival, exchange, status) {
      line(arrival, exchange, { status, durationMs: timer() - arrival.startMs, error: undefined, cut: true });
    },
  };
}

type Outcome = {
  readonly status: number;
  readonly durationMs: number;
  readonly error: RegistryError | undefined;
  readonly cut: boolean;
};

/** A HEAD shows its client no more than a status: the line is where the reason is to be found. */
function reasonOf({ message, why }: RegistryError): string {
  return why === undefined ? message : `${message}: ${why}`;
}
