import { type Descriptor, isRegistryError, type RepositoryName } from '#core/oci';
import { causeOf } from './error.ts';
import type { CopyEndpoint, CopyKnowledge } from './types.ts';

type List = readonly Descriptor[];

/**
 * Finds out by the first question whether a repository's registry keeps referrers lists, and asks no more
 * where it does not: while that question is open, others about the same repository wait for its outcome.
 */
export function createReferrersProbe(source: CopyEndpoint, known: CopyKnowledge) {
  const present = new Map<RepositoryName, boolean>();
  const probing = new Map<RepositoryName, Promise<unknown>>();

  const learn = async (repository: RepositoryName, found: boolean) => {
    if (present.get(repository) === found) return;
    present.set(repository, found);
    await known.learnedSourceReferrers?.(repository, found);
  };
  const ask = async (repository: RepositoryName, question: () => Promise<List>): Promise<List | undefined> => {
    try {
      const list = await question();
      // A client may have answered from the fallback tag: then there is nothing to ask for the next digest.
      const found = source.registry.extras.capabilities?.(repository).referrers !== false;
      await learn(repository, found);
      return found ? list : undefined;
    } catch (thrown) {
      if (!saysUnsupported(thrown)) throw thrown;
      await learn(repository, false);
      return undefined;
    }
  };
  const probe = async (repository: RepositoryName, question: () => Promise<List>) => {
    const before = await known.sourceReferrers?.(repository);
    if (before !== undefined) present.set(repository, before);
    return before === false ? undefined : await ask(repository, question);
  };

  return {
    async run(repository: RepositoryName, question: () => Promise<List>): Promise<List | undefined> {
      // The outcome of somebody else's probe is what is waited for; its failure is theirs. Nothing is awaited
      // between finding none and beginning one: two at once would both find none.
      const others = probing.get(repository);
      if (others !== undefined) await others.catch(() => {});
      const state = present.get(repository);
      if (state !== undefined) return state ? await ask(repository, question) : undefined;
      const asked = probe(repository, question);
      probing.set(repository, asked);
      try {
        return await asked;
      } finally {
        if (probing.get(repository) === asked) probing.delete(repository);
      }
    },
  };
}

function saysUnsupported(thrown: unknown): boolean {
  const cause = causeOf(thrown);
  return isRegistryError(cause, 'UNSUPPORTED', 'NOT_FOUND');
}
