import {
  algorithmOf,
  type Digest,
  digestOf,
  isRegistryError,
  RegistryError,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import { type Matcher, tagMatcher } from '#core/std';
import { forwardExtras } from './extras.ts';
import { createTurns } from './turns.ts';
import type { Call, Registry } from './types.ts';

type Rule = { readonly text: string; readonly matches: Matcher };
type Fixed = { readonly tag: TagName; readonly rule: string };

/** Tags in one page when it is asked which of them point at a manifest. */
const PAGE_TAGS = 1000;

/**
 * A registry whose tags, where a rule names them, stay at the manifest they were first given. A rule is an exact
 * name, a glob, `semver` or `semver:<range>`. Moving or deleting such a tag, or deleting its manifest, is
 * TAG_IMMUTABLE and names the rule; pushing the same manifest to it again is fine. Throws PATTERN_INVALID.
 *
 * Of several pushes to one such tag at once the first wins: they take turns here, repository by repository. That
 * holds as long as all writers go through one wrapper in one process, which the lock on the storage sees to.
 */
export function immutable(next: Registry, rules: readonly string[]): Registry {
  const compiled = rules.map((text): Rule => ({ text, matches: tagMatcher(text) }));
  const fixedOf = (tags: readonly TagName[]) => tags.flatMap((tag) => fixedBy(compiled, tag));
  const inTurn = createTurns();
  return {
    ...next,
    async putManifest(repository, bytes, options, call) {
      const put = () => next.putManifest(repository, bytes, options, call);
      const fixed = fixedOf(options.tags);
      if (fixed.length === 0) return await put();
      return await inTurn(repository, async () => {
        for (const each of fixed) {
          const current = await digestAt(next, repository, each.tag, call);
          if (current === undefined || current === digestOf(bytes, algorithmOf(current))) continue;
          throw tagImmutable(repository, each, current);
        }
        return await put();
      });
    },
    async deleteTag(repository, tag, call) {
      const [fixed] = fixedOf([tag]);
      if (!fixed) return await next.deleteTag(repository, tag, call);
      const { value } = await next.resolveManifest(repository, tag, call);
      throw tagImmutable(repository, fixed, value.digest);
    },
    async deleteManifest(repository, digest, call) {
      await inTurn(repository, async () => {
        const isFixed = (tag: TagName) => fixedOf([tag]).length > 0;
        for await (const tag of tagsAt(next, repository, { digest, isFixed }, call)) {
          for (const fixed of fixedOf([tag])) throw tagImmutable(repository, fixed, digest);
        }
        await next.deleteManifest(repository, digest, call);
      });
    },
    extras: forwardExtras(next, { tagDigests: 'forward', ensureRepository: 'forward', capabilities: 'forward' }),
  };
}

function fixedBy(rules: readonly Rule[], tag: TagName): Fixed[] {
  const rule = rules.find(({ matches }) => matches(tag));
  return rule ? [{ tag, rule: rule.text }] : [];
}

function tagImmutable(repository: RepositoryName, { tag, rule }: Fixed, digest: Digest): RegistryError {
  return new RegistryError('TAG_IMMUTABLE', `${repository}:${tag} is immutable by rule "${rule}"`, {
    why: `it stands for ${digest}`,
    hint: 'push under another tag',
    detail: { rule, tag, digest },
  });
}

async function digestAt(next: Registry, repository: RepositoryName, tag: TagName, call: Call) {
  try {
    return (await next.resolveManifest(repository, tag, call)).value.digest;
  } catch (thrown) {
    if (isRegistryError(thrown, 'NAME_UNKNOWN', 'MANIFEST_UNKNOWN')) return undefined;
    throw thrown;
  }
}

type TagsAt = { readonly digest: Digest; readonly isFixed: (tag: TagName) => boolean };

/** The fixed tags of a manifest: from the bulk listing where there is one, else by one question a tag. */
async function* tagsAt(next: Registry, repository: RepositoryName, { digest, isFixed }: TagsAt, call: Call) {
  const { tagDigests } = next.extras;
  let after: string | undefined;
  do {
    const options = { limit: PAGE_TAGS, ...(after === undefined ? {} : { after }) };
    if (tagDigests) {
      const page = await tagDigests(repository, options, call);
      yield* page.items.filter((each) => each.digest === digest && isFixed(each.tag)).map(({ tag }) => tag);
      after = page.next;
    } else {
      const { value: page } = await next.tags(repository, options, call);
      for (const tag of page.items.filter(isFixed)) {
        if ((await digestAt(next, repository, tag, call)) === digest) yield tag;
      }
      after = page.next;
    }
  } while (after !== undefined);
}
