import { isDigest, parseTag, RegistryError } from '#core/oci';
import { AppError } from '#core/std';
import type { CacheEntry, Deleted, ImageDetail, ImageItem, Operations, UpstreamItem } from '#surface/server/api';
import { deleteImage, describeImage, meantReference, showImage } from '../../commands/image.ts';
import { allPages, listImages } from '../../commands/list.ts';
import { formatPlace, type Place, parsePlace } from '../../commands/place.ts';
import type { Session } from '../../commands/session.ts';
import type { Context } from '../context.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';
import { formatBytes, formatTable, shortDigest } from '../table.ts';
import { cacheLines } from './cache-lines.ts';
import { limitOf, takeAll } from './limit.ts';

export const list: CommandRun = async (context, typed) => {
  const config = await context.config();
  const limit = limitOf(typed);
  const [name] = typed.words;
  const items = await context.withSession(async (session) => {
    if (name === undefined) return await localImages(context, session, limit);
    try {
      return await placeImages(context, session, { place: parsePlace(name, config), limit });
    } catch (thrown) {
      const isUnknown = thrown instanceof AppError && thrown.code === 'NAME_UNKNOWN';
      const isNamespace = isUnknown && config.namespaces?.[name] !== undefined;
      throw isNamespace ? notRepository(name) : thrown;
    }
  });
  context.answer({ kind: 'Image', items, text: () => imageTable(context, items) });
  if (items.length === 0) noteEmpty(context, name ?? config.storage.path);
  return ExitCode.ok;
};

function notRepository(name: string): RegistryError {
  return new RegistryError('NAME_UNKNOWN', `${name} is a namespace, and there is no repository of that name`, {
    hint: `entrepot namespace show ${name} lists what is in it`,
  });
}

function noteEmpty(context: Context, where: string): void {
  if (context.format === 'text')
    context.note(`There are no images in ${where}. Copy one: entrepot image copy SOURCE DESTINATION`);
}

async function localImages(context: Context, session: Session, limit: number): Promise<ImageItem[]> {
  const operations = await session.operations();
  const images = async function* () {
    for await (const { name } of allPages((page) => operations.repositories(page))) {
      yield* allPages((page) => operations.images(name, page), 100);
    }
  };
  return await takeAll(context, images(), limit);
}

type Wanted = { readonly place: Place; readonly limit: number };

async function placeImages(context: Context, session: Session, { place, limit }: Wanted): Promise<ImageItem[]> {
  if (place.kind === 'local' && place.reference === undefined) {
    const operations = await session.operations();
    const pages = allPages((page) => operations.images(place.repository, page), 100);
    return await takeAll(context, pages, limit);
  }
  const shelf = await session.shelf(place);
  if (place.reference !== undefined) return [await describeImage(shelf, place.reference)];
  return await takeAll(
    context,
    allPages((page) => listImages(shelf, page), 100),
    limit,
  );
}

function imageTable({ io }: Context, items: readonly ImageItem[]): string {
  if (items.length === 0) return '';
  const rows = items.map((item) => [
    `${item.repository}:${item.tag ?? ''}`,
    // Whole for programs: they pull by it.
    io.stdout.isTerminal ? shortDigest(item.digest) : item.digest,
    formatBytes(item.sizeBytes),
    item.platforms.join(' ') || (item.artifactType ?? '-'),
  ]);
  return formatTable(io.stdout, ['image', 'digest', 'size', 'platforms'], rows);
}

export const show: CommandRun = async (context, typed) => {
  const place = parsePlace(typed.words[0] ?? '', await context.config());
  const looked = await context.withSession((session) =>
    place.kind === 'local' ? showLocal(session, place) : showElsewhere(session, place),
  );
  const text = () => shownText(formatPlace(place), looked, context.io.clock.now());
  context.answer({ kind: 'Image', items: [looked.shown], text });
  return ExitCode.ok;
};

/** An image in full; of a proxied one, which may not be here, what its cache knows. */
type Shown = (ImageDetail | Pick<ImageDetail, 'repository' | 'tag'>) & { readonly cache?: CacheEntry };
type Looked = { readonly shown: Shown; readonly upstream?: UpstreamItem };

async function showElsewhere(session: Session, place: Place): Promise<Looked> {
  const shelf = await session.shelf(place);
  return { shown: await showImage(shelf, place.reference ?? meantReference(shelf)) };
}

/** By the operations: looking at a proxied image must not pull it. */
async function showLocal(session: Session, place: Extract<Place, { kind: 'local' }>): Promise<Looked> {
  const operations = await session.operations();
  const reference = place.reference ?? parseTag('latest');
  const cache = await operations.cacheEntry(place.repository, reference);
  if (cache === undefined) return { shown: await operations.image(place.repository, reference) };
  const image = cache.cached
    ? await operations.image(cache.repository, reference)
    : { repository: cache.repository, ...(isDigest(reference) ? {} : { tag: reference }) };
  const upstream = await upstreamOf(operations, cache);
  return { shown: { ...image, cache }, ...(upstream ? { upstream } : {}) };
}

async function upstreamOf(operations: Operations, { upstream }: CacheEntry): Promise<UpstreamItem | undefined> {
  const [host] = upstream.split('/');
  return (await operations.upstreams()).find((item) => item.host === host);
}

function shownText(name: string, { shown, upstream }: Looked, nowMs: number): string {
  const cache = shown.cache ? cacheLines(shown.cache, upstream, nowMs) : [];
  if (!('digest' in shown)) return `${[`image      ${name}`, ...cache].join('\n')}\n`;
  return detailText(name, shown, cache);
}

function detailText(name: string, detail: ImageDetail, cache: readonly string[]): string {
  const lines = [
    `image      ${name}`,
    `digest     ${detail.digest}`,
    `type       ${detail.artifactType ?? detail.mediaType}`,
    `size       ${formatBytes(detail.sizeBytes)}`,
    ...(detail.platforms.length === 0 ? [] : [`platforms  ${detail.platforms.join(', ')}`]),
    ...cache,
    ...section('manifests', detail.manifests, (child) => {
      const size = child.missing ? 'not copied' : formatBytes(child.sizeBytes);
      return `${child.digest}  ${child.platform ?? '-'}  ${size}`;
    }),
    ...section('layers', detail.layers, (layer) => `${layer.digest}  ${formatBytes(layer.sizeBytes)}`),
    ...section('attached', detail.attached, (item) => `${item.digest}  ${item.artifactType}${viaOf(item.via)}`),
    ...section('annotations', Object.entries(detail.annotations), ([key, value]) => `${key}=${value}`),
  ];
  return `${lines.join('\n')}\n`;
}

function viaOf(via: string): string {
  return via === 'referrer' ? '' : `  (tag ${via.slice(0, 14)}…${via.slice(via.lastIndexOf('.'))})`;
}

function section<T>(title: string, items: readonly T[], line: (item: T) => string): string[] {
  return items.length === 0 ? [] : [title, ...items.map((item) => `  ${line(item)}`)];
}

export const remove: CommandRun = async (context, typed) => {
  const place = parsePlace(typed.words[0] ?? '', await context.config());
  const { reference } = place;
  if (reference === undefined) {
    throw new RegistryError('REQUEST_INVALID', `"${formatPlace(place)}" names no tag and no digest`, {
      hint: 'write repository:tag or repository@sha256:…',
    });
  }
  if (!(await context.confirm(`Delete ${formatPlace(place)}?`))) {
    context.note('Nothing was deleted.');
    return ExitCode.failed;
  }
  const deleted = await context.withSession(async (session) => {
    if (place.kind !== 'local') return await deleteImage(await session.shelf(place), reference);
    return await (await session.operations()).deleteImage(place.repository, reference);
  });
  const text = () => `${DELETED[deleted.what]} ${formatPlace(place)}.\n`;
  context.answer({ kind: 'Deleted', items: [deleted], text });
  return ExitCode.ok;
};

const DELETED: Readonly<Record<Deleted['what'], string>> = {
  tag: 'Deleted tag',
  manifest: 'Deleted manifest',
  copy: 'Forgot the copy of',
};
