/** One task at a time for each key; others with the same key wait in order. */
export type KeyedLock = {
  run<T>(key: string, task: () => Promise<T>): Promise<T>;
};

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>();
  return {
    run(key, task) {
      const before = tails.get(key) ?? Promise.resolve();
      const mine = before.then(task, task);
      tails.set(key, mine);
      const release = () => {
        if (tails.get(key) === mine) tails.delete(key);
      };
      mine.then(release, release);
      return mine;
    },
  };
}
