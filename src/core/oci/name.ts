import { type Digest, tryParseDigest } from './digest.ts';
import { RegistryError } from './error.ts';

/** A repository's full name, `hub/library/redis`, checked. */
export type RepositoryName = string & { readonly __brand: 'RepositoryName' };
/** A tag, checked. A colon never stands in it, which is what tells it from a digest. */
export type TagName = string & { readonly __brand: 'TagName' };
/** How a manifest is asked for. */
export type ManifestReference = TagName | Digest;

/** Spec, "Pulling manifests". Linear: each class excludes what may follow it. */
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** Clients bound host and name together to 255 characters. */
const MAX_REPOSITORY_LENGTH = 255;

export function tryParseRepository(text: string): RepositoryName | undefined {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text) ? (text as RepositoryName) : undefined;
}

/** A repository name. Throws NAME_INVALID. */
export function parseRepository(text: string): RepositoryName {
  const name = tryParseRepository(text);
  if (name) return name;
  throw new RegistryError('NAME_INVALID', `"${text.slice(0, 80)}" is not a repository name`, {
    hint: 'use lower-case letters, digits and single separators (. _ __ -), parts divided by /, 255 characters at most',
  });
}

export function tryParseTag(text: string): TagName | undefined {
  return TAG.test(text) ? (text as TagName) : undefined;
}

/** A tag. Throws TAG_INVALID. */
export function parseTag(text: string): TagName {
  const tag = tryParseTag(text);
  if (tag) return tag;
  throw new RegistryError('TAG_INVALID', `"${text.slice(0, 80)}" is not a tag`, {
    hint: 'use letters, digits, _ . and -, not . or - first, 128 characters at most',
  });
}

/** A tag or a digest, or undefined. */
export function tryParseManifestReference(text: string): ManifestReference | undefined {
  return text.includes(':') ? tryParseDigest(text) : tryParseTag(text);
}

export function isDigest(reference: ManifestReference): reference is Digest {
  return reference.includes(':');
}
