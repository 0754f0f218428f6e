import type { Digest, RepositoryName } from '#core/oci';
import type { CopyEvent, CopyKnowledge } from '#core/registry';
import type { BlobHome } from './state.ts';
import type { MirrorOptions } from './types.ts';

/** What runs tell each other through the state. */
export type Knowledge = {
  readonly known: CopyKnowledge;
  note(event: CopyEvent): void;
  /** Saves what was noted. Throws SqlError. */
  flush(): Promise<void>;
};

/** A registry may gain the referrers API: it is asked again twice a day. That it has it is noticed when it has not. */
const NO_REFERRERS_MS = 12 * 60 * 60 * 1000;

export function createKnowledge({ state, clock, source }: MirrorOptions): Knowledge {
  let homes: BlobHome[] = [];
  return {
    known: {
      async sourceReferrers(repository: RepositoryName) {
        const fact = await state.sourceFact(source.name, repository);
        if (!fact || (!fact.referrers && clock.now() - fact.learnedAtMs > NO_REFERRERS_MS)) return undefined;
        return fact.referrers;
      },
      async learnedSourceReferrers(repository: RepositoryName, referrers: boolean) {
        await state.saveSourceFact({ source: source.name, repository, referrers, learnedAtMs: clock.now() });
      },
      blobHome: (destination: string, digest: Digest) => state.blobHome(destination, digest),
    },
    note(event) {
      if (event.kind !== 'blob-done' && event.kind !== 'blob-mounted') return;
      const { destination, repository, digest } = event;
      homes.push({ destination, repository, digest });
    },
    async flush() {
      const noted = homes;
      homes = [];
      if (noted.length > 0) await state.saveBlobHomes(noted);
    },
  };
}
