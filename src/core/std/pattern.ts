import { RE2JS, RE2JSException } from 're2js';
import semver, { type SemVer } from 'semver';
import { AppError, messageOf } from './error.ts';

/** Answers whether a text matches; compiled once, asked often. */
export type Matcher = (text: string) => boolean;

/** A user's pattern is stored and shown; longer ones are a mistake, and cost memory when compiled. */
const MAX_PATTERN_LENGTH = 1024;

/**
 * The one glob dialect: `*` any characters but `/`, `**` any characters, `?` one character but `/`.
 * Everything else stands for itself; the whole text must match. Time is linear in the text. Throws PATTERN_INVALID.
 */
export function compileGlob(pattern: string): Matcher {
  if (!isGlob(pattern)) {
    checkLength(pattern);
    return (text) => text === pattern;
  }
  return compileRe2(pattern.replace(GLOB_PART, translatePart));
}

export function isGlob(pattern: string): boolean {
  return pattern.includes('*') || pattern.includes('?');
}

const GLOB_PART = /\*\*+|\*|\?|[^*?]+/g;

function translatePart(part: string): string {
  if (part === '*') return '[^/]*';
  if (part === '?') return '[^/]';
  return part.startsWith('*') ? '(?s:.*)' : RE2JS.quote(part);
}

/** A regular expression in RE2 syntax over the whole text: linear time, whatever a user writes. Throws PATTERN_INVALID. */
export function compileRe2(pattern: string): Matcher {
  checkLength(pattern);
  try {
    const compiled = RE2JS.compile(pattern);
    return (text) => compiled.testExact(text);
  } catch (cause) {
    if (!(cause instanceof RE2JSException)) throw cause;
    throw new AppError('PATTERN_INVALID', `"${pattern}" is not a pattern`, {
      why: messageOf(cause),
      hint: 'use RE2 syntax (no look-around, no back-references): https://github.com/google/re2/wiki/Syntax',
      cause,
    });
  }
}

function checkLength(pattern: string): void {
  if (pattern.length <= MAX_PATTERN_LENGTH) return;
  throw new AppError('PATTERN_INVALID', `a pattern of ${pattern.length} characters starts "${pattern.slice(0, 40)}"`, {
    hint: `write at most ${MAX_PATTERN_LENGTH} characters, or several patterns`,
  });
}

/**
 * The one dialect for tag rules: an exact name, a glob (it has `*` or `?`), `semver` (any full semantic version,
 * with or without `v`), or `semver:<range>` such as `semver:>=1.20 <2`. Throws PATTERN_INVALID.
 */
export function tagMatcher(rule: string): Matcher {
  if (rule === 'semver') return (tag) => semverOf(tag) !== undefined;
  if (rule.startsWith('semver:')) return semverRange(rule.slice('semver:'.length));
  return compileGlob(rule);
}

/**
 * The version that a tag names: `1.2.3`, `v1.2.3-rc.1`. `1.2` and `1` are none: such tags move.
 * A tag cannot have `+`, so `_` begins the build part, as Helm writes it: `1.2.3_4` is `1.2.3+4`.
 */
export function semverOf(tag: string): SemVer | undefined {
  return semver.parse(tag.replace('_', '+')) ?? undefined;
}

/** Tags whose version is in a range of npm's syntax; pre-releases only where the range names one. Throws PATTERN_INVALID. */
export function semverRange(text: string): Matcher {
  checkLength(text);
  const range = semver.validRange(text);
  if (range === null) {
    throw new AppError('PATTERN_INVALID', `"${text}" is not a range of versions`, {
      hint: 'write for example ">=1.20", "^2.1" or "1.x || >=3"',
    });
  }
  return (tag) => {
    const version = semverOf(tag);
    return version !== undefined && semver.satisfies(version, range);
  };
}

/** Whether a tag's version is in a range. To ask about many tags, compile it once: `semverRange`. */
export function satisfies(tag: string, range: string): boolean {
  return semverRange(range)(tag);
}

/** Order of two tags: versions before other names, lower versions first, other names by their bytes. */
export function compareTags(left: string, right: string): number {
  const leftVersion = semverOf(left);
  const rightVersion = semverOf(right);
  if (leftVersion && rightVersion) return semver.compareBuild(leftVersion, rightVersion) || compareText(left, right);
  if (leftVersion) return -1;
  if (rightVersion) return 1;
  return compareText(left, right);
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
