import { isRegistryError } from '#core/oci';
import { AppError, messageOf } from '#core/std';
import type { Paint } from './paint.ts';

/** An error as a person reads it: what, why, do. */
export type ErrorView = {
  readonly code: string;
  readonly what: string;
  readonly why?: string;
  readonly do?: string;
};

export function viewOf(thrown: unknown): ErrorView {
  if (thrown instanceof AppError) {
    const why = whyOf(thrown);
    return {
      code: thrown.code,
      what: thrown.message,
      ...(why === '' ? {} : { why }),
      ...(thrown.hint === undefined ? {} : { do: thrown.hint }),
    };
  }
  if (thrown instanceof Error && thrown.name === 'AbortError') return { code: 'INTERRUPTED', what: 'interrupted' };
  return {
    code: 'INTERNAL',
    what: `something went wrong inside entrepot: ${messageOf(thrown)}`,
    do: 'run it again with --debug and report what it prints',
  };
}

function whyOf(error: AppError): string {
  const parts = [error.why];
  if (isRegistryError(error) && error.upstream) {
    const { registry, status, attempts, requestId } = error.upstream;
    const facts = [
      status === undefined ? undefined : `status ${status}`,
      attempts === undefined || attempts < 2 ? undefined : `${attempts} attempts`,
      requestId === undefined ? undefined : `request ${requestId}`,
    ].filter((fact) => fact !== undefined);
    parts.push(facts.length === 0 ? undefined : `${registry}: ${facts.join(', ')}`);
  }
  return parts.filter((part) => part !== undefined && part !== '').join('; ');
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
