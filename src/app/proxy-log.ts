import type { Log } from '#core/std';
import type { ProxyEvent } from '#registries/proxy';

/** What happens to upstreams and downloads, for whoever reads the log of a server. Requests have lines of their own. */
export function proxyLog(log: Log): (event: ProxyEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'breaker': {
        const { state, failures, why } = event.breaker;
        if (state === 'open') log.warn('an upstream is not asked for a while', { upstream: event.host, failures, why });
        if (state === 'closed') log.info('an upstream answers again', { upstream: event.host });
        return;
      }
      case 'flight-resumed':
        log.info('a download goes on where it broke off', {
          digest: event.flight.digest,
          from: event.host,
          why: event.why,
        });
        return;
      case 'flight-ended':
        if (event.outcome === 'failed') {
          log.warn('a download failed', { digest: event.flight.digest, upstream: event.flight.host, why: event.why });
        }
        return;
      case 'evicted': {
        const { namespace, bytes, manifests, blobs } = event;
        log.info('what was used longest ago made room', { namespace, bytes, manifests, blobs });
        return;
      }
      default:
    }
  };
}
