import { stat } from 'node:fs/promises';
import { parseDigestTag, parseRepository, type RepositoryName } from '#core/oci';
import type { Registry } from '#core/registry';
import { AppError, systemCodeOf } from '#core/std';
import { createLayoutArchive, type Layout, openLayoutArchive, openLayoutFolder } from '#registries/layout';
import type { ShelfRoot } from './image.ts';
import type { Place } from './place.ts';

/** A layout that is open, as the registry of one repository that it is. */
export type OpenedLayout = {
  readonly registry: Registry;
  readonly repository: RepositoryName;
  readonly roots: readonly ShelfRoot[];
  /** Makes what was written appear. */
  finish(): Promise<void>;
  /** After `finish`, or instead of it: then a tar that was being written leaves nothing behind. */
  close(): Promise<void>;
};

/** Every name means a layout's one repository. */
const REPOSITORY = parseRepository('image');

/** Opens a layout folder or tar. Throws NOT_FOUND, and what the layouts themselves throw. */
export async function openLayoutPlace(
  { form, path }: Extract<Place, { kind: 'layout' }>,
  role: 'source' | 'destination',
): Promise<OpenedLayout> {
  if (form === 'tar' && role === 'destination') {
    const archive = await createLayoutArchive({ path });
    let open = true;
    const once = (end: () => Promise<void>) => async () => {
      if (!open) return;
      open = false;
      await end();
    };
    return {
      registry: archive,
      repository: REPOSITORY,
      roots: [],
      finish: once(archive.close),
      close: once(archive.discard),
    };
  }
  if (role === 'source') await requirePresent(path);
  const layout: Layout =
    form === 'tar' ? await openLayoutArchive({ path }) : await openLayoutFolder({ path, mustExist: role === 'source' });
  const roots = imagesOf(layout);
  return { registry: layout, repository: REPOSITORY, roots, finish: async () => {}, close: layout.close };
}

/** What a person would call the images of a layout: not the signatures and SBOMs that came with them. */
function imagesOf(layout: Layout): ShelfRoot[] {
  const tagged = layout.roots().filter(({ tag }) => tag !== undefined && parseDigestTag(tag) === undefined);
  const roots = tagged.length > 0 ? tagged : layout.roots();
  return roots.map(({ descriptor, tag }) => ({ digest: descriptor.digest, ...(tag ? { tag } : {}) }));
}

async function requirePresent(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw cause;
    throw new AppError('NOT_FOUND', `there is nothing at ${path}`, {
      hint: 'check the path after oci: or tar:',
      cause,
    });
  }
}
