import type { ErrorView } from '#surface/server/api';
import type { Paint } from './paint.ts';

/** The three lines of an error. */
export function formatError(view: ErrorView, paint: Paint): string {
  const lines = [`${paint.bad('error:')} ${view.what}`];
  if (view.why !== undefined) lines.push(block('why', view.why, paint));
  if (view.do !== undefined) lines.push(block('do', view.do, paint));
  return `${lines.join('\n')}\n`;
}

function block(label: string, text: string, paint: Paint): string {
  const [first = '', ...rest] = text.split('\n');
  return [`  ${paint.faint(label.padEnd(4))} ${first}`, ...rest.map((line) => `       ${line}`)].join('\n');
}
