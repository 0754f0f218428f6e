/** What a tag may be: the digest that was acknowledged last, or no tag. */
export type State = string | undefined;

/**
 * What the registry has promised. A tag is `settled` by an acknowledged request; a request without an answer
 * leaves both outcomes possible until somebody looks.
 */
export type Model = {
  readonly begin: (tag: string, outcome: State) => void;
  /** The request was answered: `done` says whether it took effect. */
  readonly end: (tag: string, outcome: State, done: boolean) => void;
  readonly tags: () => readonly string[];
  readonly settled: (tag: string) => State;
  readonly allowed: (tag: string) => ReadonlySet<State>;
  /** Somebody looked: from now on it must be this. Throws when it was not allowed. */
  readonly observe: (tag: string, state: State) => void;
};

type Entry = { settled: State; readonly maybe: Set<State>; readonly history: string[] };
// Enough to see how a tag came to be what it is.
const historyLength = 12;
const named = (state: State) => state ?? 'no tag';

export function createModel(): Model {
  const known = new Map<string, Entry>();
  function entry(tag: string): Entry {
    const found = known.get(tag) ?? { settled: undefined, maybe: new Set<State>(), history: [] };
    known.set(tag, found);
    return found;
  }
  function note(tag: string, event: string): void {
    const { history } = entry(tag);
    history.push(event);
    if (history.length > historyLength) history.shift();
  }
  const allowed = (tag: string) => new Set([entry(tag).settled, ...entry(tag).maybe]);
  return {
    begin: (tag, outcome) => {
      entry(tag).maybe.add(outcome);
      note(tag, `asked for ${named(outcome)}`);
    },
    end: (tag, outcome, done) => {
      const found = entry(tag);
      note(tag, done ? 'done' : 'refused');
      if (done) found.settled = outcome;
      found.maybe.clear();
    },
    tags: () => [...known.keys()],
    settled: (tag) => known.get(tag)?.settled,
    allowed,
    observe: (tag, state) => {
      const may = allowed(tag);
      if (!may.has(state)) {
        const list = [...may].map(named).join(' or ');
        const before = entry(tag).history.join(', ');
        throw new Error(`${tag} is ${state ?? 'gone'}; acknowledged: ${list}; before: ${before}`);
      }
      const found = entry(tag);
      found.settled = state;
      found.maybe.clear();
      note(tag, `seen as ${named(state)}`);
    },
  };
}
