/** One way to authenticate that a registry named. Parameter names are lower case. */
export type Challenge = { readonly scheme: string; readonly parameters: Readonly<Record<string, string>> };

/** Longer headers are no challenge of a registry; real ones have some hundred characters. */
const MAX_HEADER_LENGTH = 8192;
/** Real registries offer one or two. */
const MAX_CHALLENGES = 8;

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y;
const SPACE = /[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;

/** The challenges of a `WWW-Authenticate` header, several of them joined by commas or not. RFC 9110 11.6.1. */
export function parseChallenges(header: string | null): Challenge[] {
  if (header === null || header.length > MAX_HEADER_LENGTH) return [];
  const reader = createReader(header);
  const challenges: Challenge[] = [];
  while (challenges.length < MAX_CHALLENGES) {
    reader.skipSeparators();
    const scheme = reader.take(TOKEN);
    if (scheme === undefined) return challenges;
    challenges.push({ scheme: scheme.toLowerCase(), parameters: readParameters(reader) });
  }
  return challenges;
}

type Reader = ReturnType<typeof createReader>;

function createReader(text: string) {
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  return {
    take: (pattern: RegExp): string | undefined => {
      const found = match(pattern);
      return found ? (found[1] ?? found[0]) : undefined;
    },
    skipSeparators: () => {
      while (match(SPACE)?.[0] || text[at] === ',') if (text[at] === ',') at++;
    },
    skip: (character: string): boolean => {
      match(SPACE);
      if (text[at] !== character) return false;
      at++;
      match(SPACE);
      return true;
    },
    mark: () => at,
    reset: (mark: number) => {
      at = mark;
    },
  };
}

function readParameters(reader: Reader): Record<string, string> {
  const parameters: Record<string, string> = {};
  reader.take(SPACE);
  // A bare credential (`Negotiate abc=`) has no name.
  if (reader.take(TOKEN68) !== undefined) return parameters;
  while (true) {
    const before = reader.mark();
    reader.skipSeparators();
    const name = reader.take(TOKEN);
    // Without an equals sign the word is the next scheme.
    if (name === undefined || !reader.skip('=')) {
      reader.reset(before);
      return parameters;
    }
    const value = reader.take(QUOTED) ?? reader.take(TOKEN) ?? '';
    parameters[name.toLowerCase()] ??= value.replace(/\\(.)/g, '$1');
  }
}
