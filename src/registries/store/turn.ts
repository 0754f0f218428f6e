/** Runs tasks of one key one after the other; tasks of different keys do not meet. */
export type Turns = { run<T>(key: string, task: () => Promise<T>): Promise<T> };

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async run(key, task) {
      const before = last.get(key);
      const mine = before === undefined ? task() : before.then(task, task);
      last.set(key, mine);
      try {
        return await mine;
      } finally {
        if (last.get(key) === mine) last.delete(key);
      }
    },
  };
}
