import type { Digest } from '#core/oci';

/** Rules of the day, in milliseconds; `semver` tags never change. */
export const freshness = { usualMs: 600_000, latestMs: 60_000, negativeMs: 60_000 };

export type Image = { readonly digest: Digest; readonly blobs: readonly Digest[] };

/** What the upstream holds and whether it answers, at one moment. */
export type Upstream = {
  readonly isUp: boolean;
  readonly tags: ReadonlyMap<string, Image>;
  readonly byDigest: ReadonlyMap<Digest, Image>;
};
export type Pull = { readonly repository: string; readonly reference: string; readonly atMs: number };
export type Predicted = {
  readonly requests: readonly string[];
  /** Undefined: the pull fails. */
  readonly image?: Image;
};

type Known = { readonly image?: Image; readonly checkedAtMs: number; readonly wasDeleted?: true };

/** A second, much shorter telling of what a cache asks for: kept apart from the first so that one can be wrong. */
export function createForecast(): (pull: Pull, upstream: Upstream) => Predicted {
  const tags = new Map<string, Known>();
  const manifests = new Set<string>();
  const linked = new Set<string>();
  const stored = new Set<Digest>();

  function blobsOf(repository: string, image: Image): string[] {
    return image.blobs.flatMap((blob) => {
      if (linked.has(`${repository} ${blob}`)) return [];
      linked.add(`${repository} ${blob}`);
      // Somebody else's: the upstream is asked whether this repository has it, and nothing is downloaded.
      if (stored.has(blob)) return [`HEAD blob ${repository}`];
      stored.add(blob);
      return [`GET blob ${repository}`];
    });
  }
  const arrives = ({ repository }: Pull, image: Image) => manifests.add(`${repository} ${image.digest}`);

  function firstAsked(pull: Pull, upstream: Upstream, image: Image | undefined): Predicted {
    const requests = [`GET ${pull.repository}:${pull.reference}`];
    if (!upstream.isUp) return { requests };
    const isTag = !pull.reference.startsWith('sha256:');
    if (isTag) tags.set(keyOf(pull), { checkedAtMs: pull.atMs, ...(image ? { image } : {}) });
    if (!image) return { requests };
    arrives(pull, image);
    return { requests: [...requests, ...blobsOf(pull.repository, image)], image };
  }

  function again(pull: Pull, upstream: Upstream, here: Image): Predicted {
    const head = `HEAD ${pull.repository}:${pull.reference}`;
    if (!upstream.isUp) return { requests: [head], image: here };
    const now = upstream.tags.get(keyOf(pull));
    if (!now) {
      tags.set(keyOf(pull), { image: here, checkedAtMs: pull.atMs, wasDeleted: true });
      return { requests: [head], image: here };
    }
    tags.set(keyOf(pull), { image: now, checkedAtMs: pull.atMs });
    const isHere = manifests.has(`${pull.repository} ${now.digest}`);
    arrives(pull, now);
    const get = isHere ? [] : [`GET ${pull.repository}:${now.digest}`];
    return { requests: [head, ...get, ...blobsOf(pull.repository, now)], image: now };
  }

  return (pull, upstream) => {
    const byDigest = upstream.byDigest.get(pull.reference as Digest);
    if (byDigest) {
      const isHere = manifests.has(`${pull.repository} ${byDigest.digest}`);
      return isHere
        ? { requests: blobsOf(pull.repository, byDigest), image: byDigest }
        : firstAsked(pull, upstream, byDigest);
    }
    const known = tags.get(keyOf(pull));
    const { image } = known ?? {};
    if (image && isFresh(pull, known)) return { requests: blobsOf(pull.repository, image), image };
    if (image) return again(pull, upstream, image);
    if (known && pull.atMs - known.checkedAtMs < freshness.negativeMs) return { requests: [] };
    return firstAsked(pull, upstream, upstream.tags.get(keyOf(pull)));
  };
}

function isFresh({ reference, atMs }: Pull, known: Known | undefined): boolean {
  if (/^\d+\.\d+\.\d+$/.test(reference)) return true;
  const freshMs = reference === 'latest' ? freshness.latestMs : freshness.usualMs;
  return atMs - (known?.checkedAtMs ?? 0) < (known?.wasDeleted ? freshness.negativeMs : freshMs);
}

const keyOf = ({ repository, reference }: Pull) => `${repository}:${reference}`;
