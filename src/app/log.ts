import pino from 'pino';
import type { Clock, Log, LogFields } from '#core/std';
import type { LineSink } from './line-sink.ts';

export type LogOptions = {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
  readonly clock: Clock;
  readonly sink: LineSink;
};

/** The server's log: JSON lines for machines, short lines for a person who watches. */
export function createLog(options: LogOptions): Log {
  return options.format === 'json' ? jsonLog(options) : textLog(options);
}

function jsonLog({ level, clock, sink }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => sink.write(line) },
  );
  const at = (name: LogOptions['level']) => (message: string, fields?: LogFields) => {
    if (fields) logger[name](fields, message);
    else logger[name](message);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

function textLog({ level, clock, sink }: LogOptions): Log {
  const least = LEVELS.indexOf(level);
  const at =
    (name: LogOptions['level']) =>
    (message: string, fields: LogFields = {}) => {
      if (LEVELS.indexOf(name) < least) return;
      const time = new Date(clock.now()).toISOString().slice(11, 19);
      const details = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
      const mark = name === 'info' ? '' : `${name}: `;
      sink.write(`${time} ${mark}${message}${details.join('')}\n`);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
