import { test } from 'bun:test';
import { findPeer, howToGet } from '../../tools/peers/find.ts';

/** Where the programs are, by name. */
export type Programs = (name: string) => string;

export type NeedOptions = { readonly timeoutMs?: number; readonly root?: boolean };

// Real programs, real bytes: a minute is far above what any of these takes.
const testTimeoutMs = 60_000;

/**
 * A test with programs that npm does not bring. Without them it is skipped, and its name says why;
 * with `ENTREPOT_REQUIRE_ALL=1` it fails instead.
 */
export function testWith(
  programs: readonly string[],
  name: string,
  options: NeedOptions & { readonly body: (programs: Programs) => Promise<void> },
): void {
  const missing = whyNot(programs, options.root ?? false);
  const timeoutMs = options.timeoutMs ?? testTimeoutMs;
  if (missing === undefined) test(name, () => options.body(program), timeoutMs);
  else if (process.env.ENTREPOT_REQUIRE_ALL === '1') {
    test(name, () => {
      throw new Error(`Not run: ${missing}`);
    });
  } else test.skip(`${name} (skipped: ${missing})`, () => undefined);
}

/** Why tests with these programs cannot run here; undefined when they can. */
export function whyNot(programs: readonly string[], root = false): string | undefined {
  const missing = programs.filter((each) => findPeer(each) === undefined);
  if (missing.length > 0) return missing.map((each) => `${each} not found, ${howToGet(each)}`).join('; ');
  return root && process.getuid?.() !== 0 ? 'needs root' : undefined;
}

export function program(name: string): string {
  const path = findPeer(name);
  if (path === undefined) throw new Error(`${name} not found: ${howToGet(name)}`);
  return path;
}
