/** Fields of a log line. Secrets never go in here: callers pass names and digests, not headers. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The four levels everybody knows. A clean run writes no warn and no error. */
export type Log = {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
};

/** A log that says nothing. */
export function silentLog(): Log {
  const nothing = () => {};
  return { debug: nothing, info: nothing, warn: nothing, error: nothing };
}
