import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Registry } from '#core/registry';
import type { Database } from '#core/sql';
import { type Clock, messageOf, systemCodeOf } from '#core/std';
import type { Readiness } from '#surface/server';
import { systemCall } from './compose.ts';

export type ReadinessOptions = {
  readonly folder: string;
  readonly registry: Pick<Registry, 'repositories'>;
  readonly database: Pick<Database, 'isWritable'>;
  readonly clock: Clock;
};

/** Probes come from several balancers at once; an answer this old is still true for all of them. */
const KEPT_MS = 2_000;

/** Whether the data folder can be written and the catalog be read. A full disk is no reason: pulls go on. */
export function createReadiness({ folder, registry, database, clock }: ReadinessOptions): () => Promise<Readiness> {
  let kept: { readonly atMs: number; readonly state: Promise<Readiness> } | undefined;
  const look = async (): Promise<Readiness> => {
    if (!database.isWritable) return { ready: false, why: 'the catalog’s writer has died; restart the server' };
    try {
      await access(folder, constants.W_OK | constants.X_OK);
    } catch (thrown) {
      // Whoever probes may be anybody: the reason, without the path.
      return {
        ready: false,
        why: `the data folder cannot be written: ${systemCodeOf(thrown) ?? 'it is not accessible'}`,
      };
    }
    try {
      await registry.repositories({ limit: 1 }, systemCall('readiness'));
    } catch (thrown) {
      return { ready: false, why: `the catalog cannot be read: ${systemCodeOf(thrown) ?? messageOf(thrown)}` };
    }
    return { ready: true };
  };
  return () => {
    const nowMs = clock.now();
    if (!kept || nowMs - kept.atMs >= KEPT_MS) kept = { atMs: nowMs, state: look() };
    return kept.state;
  };
}
