/** Runs tasks of the same key one after the other, in order of arrival; tasks of other keys do not wait. */
export function createTurns(): <T>(key: string, task: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, task) => {
    const before = last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    last.set(key, promise);
    try {
      await before;
      return await task();
    } finally {
      if (last.get(key) === promise) last.delete(key);
      resolve();
    }
  };
}
