import { isRegistryError } from '#core/oci';
import { type ErrorView, viewOfError } from '#surface/server/api';
import type { Paint } from './paint.ts';
import { formatDuration } from './table.ts';

/** What to do about something that is not there, at this keyboard: whoever threw it knows no commands. */
const HERE: Readonly<Record<string, string>> = {
  NAME_UNKNOWN: 'entrepot repo list shows what is here, entrepot status in which data folder',
  MANIFEST_UNKNOWN: 'entrepot tag list REPOSITORY shows its tags',
};
const ELSEWHERE: Readonly<Record<string, string>> = {
  NAME_UNKNOWN: 'check the name; some registries answer so too for what an account may not see',
  MANIFEST_UNKNOWN: 'check the tag: entrepot tag list HOST/REPOSITORY shows those that are there',
};

/** An error for whoever typed a command. */
export function viewForPerson(thrown: unknown): ErrorView {
  const view = viewOfError(thrown);
  const cause = thrown instanceof Error && isRegistryError(thrown.cause) ? thrown.cause : thrown;
  if (isRegistryError(cause, 'TOOMANYREQUESTS') && cause.retryAfterMs !== undefined) {
    const wait = `it asks to wait ${formatDuration(cause.retryAfterMs)}`;
    return { ...view, why: view.why === undefined ? wait : `${view.why}; ${wait}` };
  }
  if (view.do !== undefined) return view;
  const isElsewhere = isRegistryError(cause) && cause.origin === 'upstream';
  const advice = (isElsewhere ? ELSEWHERE : HERE)[view.code];
  return advice === undefined ? view : { ...view, do: advice };
}

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
