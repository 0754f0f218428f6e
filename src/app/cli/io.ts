import type { Clock } from '#core/std';
import type { LineSink } from '../line-sink.ts';

/** One of the two output streams. */
export type Screen = {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters in a line; 80 where nobody knows. */
  columns(): number;
};

/** Everything of the machine that the command line touches: tests give their own. */
export type Io = {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** How this program is started here, for commands that are shown. */
  readonly program: string;
  readonly clock: Clock;
  /** Asks a person; undefined at the end of input. Only called where `canAsk`. */
  readonly ask: (question: string) => Promise<string | undefined>;
  readonly canAsk: boolean;
  /** Calls back at each Ctrl-C or SIGTERM until the returned function is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
  readonly files: Files;
  /** Where a server's log goes: standard output, gathered. */
  readonly logSink: () => LineSink;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
};

/** Files named by a person. */
export type Files = {
  /** Rejects with the system's error, ENOENT among them. */
  readText(path: string): Promise<string>;
  /** Creates a file; rejects with EEXIST when it is there, unless `replace`. */
  writeText(path: string, text: string, options: { readonly replace: boolean }): Promise<void>;
  exists(path: string): Promise<boolean>;
};
