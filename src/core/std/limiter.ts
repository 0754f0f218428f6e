/** At most `limit` tasks at once; the others wait in order of arrival. */
export type Limiter = {
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
};

export function createLimiter(limit: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  const release = () => {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  };
  return {
    async run(task, signal) {
      if (running >= limit) await enterQueue(waiting, signal);
      else running += 1;
      try {
        signal?.throwIfAborted();
        return await task();
      } finally {
        release();
      }
    },
  };
}

function enterQueue(waiting: (() => void)[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const enter = () => {
      signal?.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      const index = waiting.indexOf(enter);
      if (index < 0) return;
      waiting.splice(index, 1);
      reject(signal?.reason);
    };
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    signal?.addEventListener('abort', leave, { once: true });
    waiting.push(enter);
  });
}

/**
 * Runs `task` over the items, at most `atOnce` at a time; results stand in the order of the items.
 * After a failure nothing more is begun, and it is thrown when all that runs has ended.
 */
export async function mapLimited<T, R>(
  items: readonly T[],
  atOnce: number,
  task: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  let failed = false;
  const work = async () => {
    for (const [index, item] of queue) {
      if (failed) return;
      try {
        results[index] = await task(item);
      } catch (thrown) {
        failed = true;
        throw thrown;
      }
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, work);
  for (const worker of await Promise.allSettled(workers)) if (worker.status === 'rejected') throw worker.reason;
  return results;
}
