import { DOCKER_HUB, type ManifestReference, parseReference, RegistryError, type RepositoryName } from '#core/oci';
import { compileGlob, type Matcher, tagMatcher } from '#core/std';

/** Where a proxy namespace reads: a host, and what stands before every name there (empty: nothing). */
export type UpstreamPlace = { readonly host: string; readonly prefix: string };

/** `quay.io/vendor` as host and prefix. */
export function upstreamPlace(text: string): UpstreamPlace {
  const [host = '', ...rest] = text.split('/');
  return { host, prefix: rest.join('/') };
}

/** The name at an upstream of what stands below a namespace. */
export function nameAt({ prefix }: UpstreamPlace, below: string): string {
  return prefix === '' ? below : `${prefix}/${below}`;
}

/** An image as `warm` lists it. `repository` is its name below the namespace. */
export type NamedImage = { readonly repository: RepositoryName; readonly reference: ManifestReference };

/** `redis:7` of Docker Hub as `library/redis` and `7`. Throws REQUEST_INVALID, NAME_INVALID, TAG_INVALID, DIGEST_INVALID. */
export function parseNamedImage(text: string, { host, prefix }: UpstreamPlace): NamedImage {
  const hasLibrary = host === DOCKER_HUB && prefix === '';
  // Any other host makes the name parse as it stands.
  const { repository, tag, digest } = parseReference(`${hasLibrary ? DOCKER_HUB : 'other.invalid'}/${text}`);
  const reference = digest ?? tag;
  if (reference === undefined) throw new RegistryError('REQUEST_INVALID', `"${text}" names no tag and no digest`);
  return { repository, reference };
}

/** Images as `keep` lists them: whether a name below the namespace, with a tag, is one. */
export type KeptImages = (repository: string, tag: string | undefined) => boolean;

/** `library/redis:7*`, `vendor/**`: globs of a name and, where there is one, of its tags. Throws PATTERN_INVALID. */
export function parseKept(text: string): KeptImages {
  const colon = text.lastIndexOf(':');
  const hasTag = colon > text.lastIndexOf('/');
  const isName = compileGlob(hasTag ? text.slice(0, colon) : text);
  const isTag: Matcher | undefined = hasTag ? tagMatcher(text.slice(colon + 1)) : undefined;
  return (repository, tag) => isName(repository) && (isTag === undefined || (tag !== undefined && isTag(tag)));
}
