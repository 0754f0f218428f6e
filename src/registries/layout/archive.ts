import { mkdir, rm, stat } from 'node:fs/promises';
import { AppError } from '#core/std';
import { dockerArchive } from './docker-archive.ts';
import { moveInto, removeFile, storageErrors } from './files.ts';
import { DEFAULT_REPOSITORY, type FolderOptions, type Layout, openLayoutFolder, openReadOnly } from './layout.ts';
import { archiveInvalid, tarFiles } from './tar-read.ts';
import { writeTar } from './tar-write.ts';

/**
 * An OCI layout in a tar, or a docker archive, to read. Throws ARCHIVE_UNREADABLE, ARCHIVE_INVALID, LAYOUT_INVALID.
 * Of a docker archive the manifests are made here: their digests are not those of the images in their registry.
 */
export async function openLayoutArchive({ path, repository = DEFAULT_REPOSITORY }: FolderOptions): Promise<Layout> {
  const files = await tarFiles(path);
  if (await files.find('oci-layout')) return await openReadOnly({ files, name: `tar:${path}`, repository });
  const docker = await dockerArchive(files);
  if (!docker) throw archiveInvalid(path, 'it has neither "oci-layout" nor "manifest.json"');
  return await openReadOnly({ files: docker.files, name: `tar:${path}`, repository }, docker.entries);
}

export type ArchiveWriter = Layout & {
  /** Leaves nothing behind, instead of `close`. */
  discard(): Promise<void>;
};

/**
 * An OCI layout that becomes a tar at `path` when it is closed, and not before. Until then it is a folder beside it.
 * Throws ARCHIVE_EXISTS unless `replace` is said.
 */
export async function createLayoutArchive(
  options: FolderOptions & { readonly replace?: boolean },
): Promise<ArchiveWriter> {
  const { path, replace = false } = options;
  await refuseExisting(path, replace);
  const folder = `${path}.${crypto.randomUUID()}.tmp`;
  await mkdir(folder);
  const layout = await openLayoutFolder({ ...options, path: folder });
  const discard = async () => {
    await layout.close();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    ...layout,
    discard,
    async close() {
      const temporary = `${folder}.tar`;
      try {
        await layout.close();
        await storageErrors(() => writeTar(folder, temporary));
        await refuseExisting(path, replace);
        await moveInto(temporary, path);
      } finally {
        await removeFile(temporary);
        await discard();
      }
    },
  };
}

async function refuseExisting(path: string, replace: boolean): Promise<void> {
  if (replace) return;
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new AppError('ARCHIVE_EXISTS', `${path} exists`, { hint: 'name another file, or remove it first' });
}
