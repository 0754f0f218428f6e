import { type Descriptor, formatPlatform, type Platform, platformMatches, RegistryError } from '#core/oci';

/** BuildKit hangs attestations into the index as children of no platform, each naming the child it is about. */
const ABOUT_ANNOTATION = 'vnd.docker.reference.digest';

/** The children of an index that a choice of platforms means, with what the index says about them. Throws MANIFEST_UNKNOWN. */
export function chosenChildren(children: readonly Descriptor[], platforms: readonly Platform[]): Descriptor[] {
  const matching = children.filter(({ platform }) => platforms.some((wanted) => platformMatches(wanted, platform)));
  const missing = platforms.filter((wanted) => !matching.some(({ platform }) => platformMatches(wanted, platform)));
  if (missing.length > 0) throw platformMissing(missing, children);
  const chosen = new Set<string>(matching.map(({ digest }) => digest));
  return children.filter(
    ({ digest, annotations }) => chosen.has(digest) || chosen.has(annotations?.[ABOUT_ANNOTATION] ?? ''),
  );
}

function platformMissing(missing: readonly Platform[], children: readonly Descriptor[]): RegistryError {
  const offered = children.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []));
  return new RegistryError('MANIFEST_UNKNOWN', `the index has no image for ${missing.map(formatPlatform).join(', ')}`, {
    why: `it has ${[...new Set(offered)].join(', ') || 'none with a platform'}`,
    hint: 'ask for platforms that it has, or for all of them',
  });
}
