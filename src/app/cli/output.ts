import { AppError } from '#core/std';
import type { Screen } from './io.ts';

export const OUTPUT_FORMATS = ['text', 'json', 'jsonl', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The machine forms share one envelope: fields are only ever added. */
const API_VERSION = 'entrepot/v1';

export function parseOutputFormat(text: string): OutputFormat {
  const format = OUTPUT_FORMATS.find((one) => one === text);
  if (format) return format;
  throw new AppError('USAGE', `"${text}" is not an output format`, { hint: `use one of ${OUTPUT_FORMATS.join(', ')}` });
}

/** An answer: what it is, its items, and how a person reads them. */
export type Answer<T> = {
  /** `Image`, `Repository`: the singular. */
  readonly kind: string;
  readonly items: readonly T[];
  readonly text: (items: readonly T[]) => string;
};

export function writeAnswer<T>(screen: Screen, format: OutputFormat, answer: Answer<T>): void {
  screen.write(format === 'text' ? answer.text(answer.items) : machineForm(format, answer));
}

function machineForm<T>(format: Exclude<OutputFormat, 'text'>, { kind, items }: Answer<T>): string {
  if (format === 'jsonl') {
    return items.map((item) => `${JSON.stringify({ apiVersion: API_VERSION, kind, ...item })}\n`).join('');
  }
  const envelope = { apiVersion: API_VERSION, kind: `${kind}List`, items };
  return `${format === 'json' ? JSON.stringify(envelope, null, 2) : Bun.YAML.stringify(plain(envelope), null, 2)}\n`;
}

/** As JSON has it: of a computed zero Bun's YAML makes `+0`. */
function plain(envelope: object): unknown {
  return JSON.parse(JSON.stringify(envelope));
}
