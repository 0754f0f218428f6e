import { AppError } from '#core/std';
import { tryParseDuration } from './duration.ts';
import { FORMS } from './field.ts';
import { type Finding, nameOf } from './issue.ts';
import type { Path } from './position.ts';
import { tryParseSize } from './size.ts';

/** Findings about values, as the checks by meaning make them. */
export function wrong(path: Path, message: string): Finding {
  return { path, at: 'value', message };
}

export function eachAt(texts: readonly string[], path: Path, compile: (text: string) => unknown): Finding[] {
  return texts.flatMap((text, index) => tried([...path, index], () => compile(text)));
}

export function tried(path: Path, attempt: () => unknown): Finding[] {
  try {
    attempt();
    return [];
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    const hint = thrown instanceof AppError && thrown.hint !== undefined ? `; ${thrown.hint}` : '';
    return [wrong(path, `${nameOf(path)}: ${thrown.message}${hint}`)];
  }
}

export function checkDuration(text: string | undefined, path: Path): Finding[] {
  if (text === undefined || tryParseDuration(text) !== undefined) return [];
  return [wrong(path, `${nameOf(path)}: expected ${FORMS.duration}, got "${text}"`)];
}

export function checkSize(text: string | undefined, path: Path): Finding[] {
  const sizeBytes = text === undefined ? 1 : tryParseSize(text);
  if (sizeBytes !== undefined && sizeBytes > 0) return [];
  return [wrong(path, `${nameOf(path)}: expected ${FORMS.size}, got "${text}"`)];
}
