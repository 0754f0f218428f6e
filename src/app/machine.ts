import type { Clock, Log } from '#core/std';

/** What the program is given of the machine it runs on; tests give their own. */
export type Machine = {
  readonly clock: Clock;
  /** Where relative paths of commands start. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof fetch;
  readonly log: Log;
  readonly version: string;
};
