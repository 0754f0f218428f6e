/** Callers that ask for the same key while a task runs share its outcome. */
export type SingleFlight<T> = {
  run(key: string, task: () => Promise<T>): Promise<T>;
};

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Promise<T>>();
  return {
    run(key, task) {
      const flying = flights.get(key);
      if (flying !== undefined) return flying;
      const flight = task().finally(() => flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
  };
}
