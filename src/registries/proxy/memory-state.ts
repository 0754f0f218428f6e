import type { ManifestReference, RepositoryName } from '#core/oci';
import type { Clock } from '#core/std';
import { addCounts, newTally, numbersOf, rowsOf, type Tally } from './counters.ts';
import type { ProxyState } from './state.ts';
import type { KnownList, KnownReference } from './types.ts';

/** What proxies know, for as long as the process lives: for tests and short-lived caches. Grows with what is asked. */
export function memoryProxyState(clock: Clock): ProxyState {
  const references = new Map<string, KnownReference>();
  const lists = new Map<string, KnownList<unknown>>();
  const tallies = new Map<string, Tally>();
  const sinceMs = clock.now();
  const tallyOf = (namespace: string) => {
    const tally = tallies.get(namespace) ?? newTally();
    tallies.set(namespace, tally);
    return tally;
  };
  const peek = (repository: RepositoryName, reference: ManifestReference) =>
    references.get(stateKey(repository, reference));
  return {
    peek,
    find: async (repository, reference) => peek(repository, reference),
    save: (known) => void references.set(stateKey(known.repository, known.reference), known),
    forget: (repository, reference) => void references.delete(stateKey(repository, reference)),
    // What was saved under a kind is of its type.
    list: async <T>(repository: RepositoryName, kind: KnownList<T>['kind']) =>
      lists.get(stateKey(repository, kind)) as KnownList<T> | undefined,
    saveList: (list) => void lists.set(stateKey(list.repository, list.kind), list),
    count: (namespace, counts) => addCounts(tallyOf(namespace), counts),
    counters: async (namespace) => ({ namespace, sinceMs, ...numbersOf(rowsOf(tallyOf(namespace))) }),
    flush: async () => {},
    close: async () => {},
  };
}

/** Names have no line ends. */
export function stateKey(repository: RepositoryName, what: string): string {
  return `${repository}\n${what}`;
}
