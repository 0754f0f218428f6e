import { type Clock, type Log, messageOf } from '#core/std';
import type { TlsPair } from './server.ts';

/** Certificates are renewed days before they end: half a minute late is early. */
const CHECK_EVERY_MS = 30_000;

export type TlsReloadOptions = {
  /** Reads certificate and key. */
  readonly read: () => Promise<TlsPair>;
  /** What is served now. */
  readonly current: TlsPair;
  readonly apply: (tls: TlsPair) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
};

/**
 * Reads the files again and again and applies what changed, until aborted. Contents are compared, not times:
 * Kubernetes swaps a link and leaves the files' times alone. A pair that does not fit is logged, once, and not applied.
 */
export async function reloadTlsOnChange(options: TlsReloadOptions): Promise<void> {
  const { read, apply, clock, log, signal } = options;
  let seen = options.current;
  while (!signal.aborted) {
    try {
      await clock.sleep(CHECK_EVERY_MS, signal);
    } catch {
      return;
    }
    try {
      const found = await read();
      if (found.cert === seen.cert && found.key === seen.key) continue;
      seen = found;
      apply(found);
      log.info('TLS certificate reloaded');
    } catch (thrown) {
      log.error('TLS certificate not reloaded; the one before stays', { error: messageOf(thrown) });
    }
  }
}
