import { formatPlatform, type Platform, type RepositoryName, type TagName } from '#core/oci';
import type { Companions } from '#core/registry';
import type { ImageRecord } from './state.ts';
import type { MirrorEndpoint, MirrorStep, SourceImage, StepReason } from './types.ts';

/** Where an image goes, and what is remembered of that place. */
export type Place = {
  readonly destination: MirrorEndpoint;
  readonly repository: RepositoryName;
  readonly tag: TagName;
  readonly record?: ImageRecord;
};

/** What is to be done about one image: data in, data out. */
export function planImage(
  image: SourceImage,
  places: readonly Place[],
  { source, platforms }: { readonly source: string; readonly platforms: string },
): MirrorStep[] {
  return places.map(({ destination, repository, tag, record }) => {
    const reason = reasonFor(image, { record, source: sourceName(source, image), platforms });
    return { image, destination, repository, tag, reason, action: reason === 'unchanged' ? 'unchanged' : 'copy' };
  });
}

type Wanted = { readonly record: ImageRecord | undefined; readonly source: string; readonly platforms: string };

function reasonFor(image: SourceImage, { record, source, platforms }: Wanted): StepReason {
  if (!record) return 'new';
  if (record.source !== source) return 'source';
  if (record.digest !== image.digest) return 'moved';
  if (record.platforms !== platforms) return 'platforms';
  return image.companions && sameCompanions(image.companions, record.companions) ? 'unchanged' : 'companions';
}

export function sourceName(registry: string, { repository, tag }: Pick<SourceImage, 'repository' | 'tag'>): string {
  return `${registry}/${repository}:${tag}`;
}

export function platformsKey(platforms: readonly Platform[] = []): string {
  return platforms.map(formatPlatform).sort().join(',');
}

function sameCompanions(seen: Companions, recorded: Companions): boolean {
  return (
    sameList([...seen.referrers].sort(), [...recorded.referrers].sort()) &&
    sameList(tagLines(seen.tags), tagLines(recorded.tags))
  );
}

function tagLines(tags: Companions['tags']): string[] {
  return Object.entries(tags)
    .map(([tag, digest]) => `${tag} ${digest}`)
    .sort();
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
