import type { CommandCall, Outcome } from './batch.ts';
import { errorFromData, SqlError, toSqlError } from './error.ts';

/** Commands that share one commit: enough to spare fsyncs, few enough that the first does not wait long for the last. */
const MAX_BATCH = 256;

export type WriteQueue = {
  write(call: CommandCall): Promise<unknown>;
  /** Takes no more, and resolves once everything taken is answered. */
  close(): Promise<void>;
};

type Waiting = { readonly call: CommandCall; resolve(result: unknown): void; reject(error: Error): void };

/** Group commit: one batch is under way at a time; what arrives meanwhile is the next one. */
export function createWriteQueue(execute: (calls: readonly CommandCall[]) => Promise<Outcome[]>): WriteQueue {
  const waiting: Waiting[] = [];
  let draining: Promise<void> | undefined;
  let closed = false;

  const drain = async () => {
    // The rest of this tick may have more to write.
    await Promise.resolve();
    while (waiting.length > 0) await executeBatch(waiting.splice(0, MAX_BATCH), execute);
    draining = undefined;
  };
  return {
    write(call) {
      if (closed) return Promise.reject(new SqlError('SQL_CLOSED', 'the database is closed'));
      return new Promise((resolve, reject) => {
        waiting.push({ call, resolve, reject });
        draining ??= drain();
      });
    },
    async close() {
      closed = true;
      await draining;
    },
  };
}

async function executeBatch(
  batch: readonly Waiting[],
  execute: (calls: readonly CommandCall[]) => Promise<Outcome[]>,
): Promise<void> {
  try {
    const outcomes = await execute(batch.map((entry) => entry.call));
    for (const [index, entry] of batch.entries()) settle(entry, outcomes[index]);
  } catch (thrown) {
    for (const entry of batch) entry.reject(toSqlError(thrown));
  }
}

function settle(entry: Waiting, outcome: Outcome | undefined): void {
  if (outcome?.ok) entry.resolve(outcome.result);
  else if (outcome) entry.reject(errorFromData(outcome.error));
  else entry.reject(new SqlError('SQL_FAILED', 'the writer did not answer'));
}
