import { type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { messageOf, systemCodeOf } from '#core/std';
import type { Machine } from './machine.ts';

/** Spans of the requests that this program sends to other registries. */
export type Tracing = {
  /** The same `fetch`, with a span for each request. */
  traced(next: typeof fetch): typeof fetch;
  /** Sends what is left. */
  stop(): Promise<void>;
};

/**
 * Tracing as the environment asks for it: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT and
 * OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME. Undefined without an endpoint: then nothing of it is loaded.
 * Source: OpenTelemetry, "OTLP Exporter Configuration".
 */
export async function startTracing({ env, version }: Pick<Machine, 'env' | 'version'>): Promise<Tracing | undefined> {
  const url = endpointOf(env);
  if (url === undefined) return undefined;
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all(
    [
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ],
  );
  const exporter = new OTLPTraceExporter({ url, headers: headersOf(env.OTEL_EXPORTER_OTLP_HEADERS) });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': env.OTEL_SERVICE_NAME ?? 'entrepot',
      'service.version': version,
    }),
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  });
  const tracer = provider.getTracer('entrepot', version);
  return { traced: (next) => tracedFetch(next, tracer), stop: () => provider.shutdown() };
}

function endpointOf(env: Machine['env']): string | undefined {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  if (own) return own;
  const common = env.OTEL_EXPORTER_OTLP_ENDPOINT;
  return common ? `${common.replace(/\/+$/, '')}/v1/traces` : undefined;
}

/** `name=value,name=value`, percent-encoded. */
function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [] : [[pair.slice(0, at).trim(), decodeURIComponent(pair.slice(at + 1).trim())]];
  });
  return Object.fromEntries(pairs);
}

/**
 * A client span until the answer's headers are there. Its query and headers are left out: tokens stand in them. No
 * trace header is sent either: what runs here is no business of somebody else's registry.
 */
function tracedFetch(next: typeof fetch, tracer: Tracer): typeof fetch {
  const traced = async (input: Parameters<typeof fetch>[0], init?: Parameters<typeof fetch>[1]): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = init?.method ?? 'GET';
    const span = tracer.startSpan(`${method} ${url.host}`, {
      kind: SpanKind.CLIENT,
      attributes: {
        'http.request.method': method,
        'server.address': url.hostname,
        ...(url.port === '' ? {} : { 'server.port': Number(url.port) }),
        'url.scheme': url.protocol.slice(0, -1),
        'url.path': url.pathname,
      },
    });
    try {
      const response = await next(input, init);
      span.setAttribute('http.response.status_code', response.status);
      if (response.status >= 400) failed(span, String(response.status));
      return response;
    } catch (thrown) {
      failed(span, systemCodeOf(thrown) ?? 'error', messageOf(thrown));
      throw thrown;
    } finally {
      span.end();
    }
  };
  return Object.assign(traced, { preconnect: next.preconnect });
}

function failed(span: Span, type: string, message?: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message === undefined ? {} : { message }) });
}
