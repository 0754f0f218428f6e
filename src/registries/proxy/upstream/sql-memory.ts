import { type Database, defineCommand, type Migration } from '#core/sql';
import { type Clock, type Log, messageOf } from '#core/std';
import type { BreakerState, Quota } from '../types.ts';
import type { RememberedUpstream, UpstreamMemory } from './types.ts';

/** One row an upstream: a handful, each some hundred bytes. */
export const upstreamMigrations: readonly Migration[] = [
  'CREATE TABLE proxy_upstreams (host TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL)',
];

type Row = { readonly host: string; readonly state: string };

const remember = defineCommand('proxy.rememberUpstreams', async (tx, rows: readonly Row[]) => {
  for (const { host, state } of rows) {
    await tx.run(
      'INSERT INTO proxy_upstreams (host, state) VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET state = excluded.state',
      [host, state],
    );
  }
});

export const upstreamCommands = [remember];

export type SqlUpstreamMemoryOptions = {
  /** Opened with a module that has `upstreamMigrations` and `upstreamCommands`. */
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
};

/** Between two writes: each pull changes a count, and a crash may forget a second of them. */
const REST_MS = 1000;

/** What is known of upstreams, in a table. */
export function sqlUpstreamMemory({ database, clock, log }: SqlUpstreamMemoryOptions): UpstreamMemory {
  const unsaved = new Map<string, RememberedUpstream>();
  const closing = new AbortController();
  let writing: Promise<void> | undefined;

  const writeAll = async () => {
    const rows = [...unsaved].map(([host, remembered]) => ({ host, state: JSON.stringify(remembered) }));
    unsaved.clear();
    // A quota that is not kept costs a request later, no more.
    await database.write(remember, rows).catch((thrown: unknown) => {
      log.warn('what is known of upstreams could not be kept', { why: messageOf(thrown) });
    });
  };
  const work = async () => {
    while (unsaved.size > 0) {
      await writeAll();
      await clock.sleep(REST_MS, closing.signal).catch(() => {});
    }
    writing = undefined;
  };

  return {
    async load(host) {
      const waiting = unsaved.get(host);
      if (waiting) return waiting;
      const [row] = await database.read<Row>('SELECT host, state FROM proxy_upstreams WHERE host = ?', [host]);
      return row && parse(row.state);
    },
    save(host, remembered) {
      unsaved.set(host, remembered);
      writing ??= work();
    },
    async close() {
      closing.abort();
      await writing;
    },
  };
}

/** Written by this program alone, perhaps by an older one: what does not fit is not used. */
function parse(text: string): RememberedUpstream | undefined {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null) return undefined;
  const { breaker, quotas } = json as { readonly breaker?: BreakerState; readonly quotas?: readonly Quota[] };
  return breaker?.state === undefined || !Array.isArray(quotas) ? undefined : { breaker, quotas };
}
