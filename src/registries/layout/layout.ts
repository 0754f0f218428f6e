import { parseRepository, type RepositoryName } from '#core/oci';
import { type Registry, readOnly } from '#core/registry';
import { type Content, readContent } from './content.ts';
import { folderFiles, type LayoutFiles, layoutInvalid } from './files.ts';
import type { Entry } from './index-file.ts';
import { layoutExtras, listMethods, readMethods } from './read.ts';
import { createUploads } from './upload.ts';
import { writeMethods } from './write.ts';

/** One entry of the index: what a layout was made to hold. */
export type LayoutRoot = Pick<Entry, 'descriptor' | 'tag' | 'name'>;

/** A registry of one repository: every name means it. */
export type Layout = Registry & {
  /** What it was made to hold, tagged or not. */
  roots(): readonly LayoutRoot[];
  /** Ends open uploads; of an archive that is written, writes it. */
  close(): Promise<void>;
};

export type FolderOptions = {
  readonly path: string;
  /** Refuse a folder that is no layout, instead of making one with the first write: for whoever only reads. */
  readonly mustExist?: boolean;
  /** The name under which the one repository is listed. Default `layout`. */
  readonly repository?: RepositoryName;
};

/** An OCI image layout in a folder, which need not exist yet. Throws LAYOUT_INVALID. */
export async function openLayoutFolder(options: FolderOptions): Promise<Layout> {
  const { path, mustExist = false, repository = DEFAULT_REPOSITORY } = options;
  const content = await readContent({ files: folderFiles(path), name: `oci:${path}`, repository });
  if (mustExist && !content.exists) throw layoutInvalid(path, 'it has no file "oci-layout"');
  const uploads = createUploads(content, path);
  return {
    ...readMethods(content),
    ...listMethods(content),
    ...writeMethods(content, path, uploads),
    extras: layoutExtras(content),
    roots: () => rootsOf(content),
    close: uploads.close,
  };
}

export const DEFAULT_REPOSITORY = parseRepository('layout');

/** A layout that is only read. `entries` are given where there is no index.json. */
export async function openReadOnly(
  options: { readonly files: LayoutFiles; readonly name: string; readonly repository: RepositoryName },
  entries?: readonly Entry[],
): Promise<Layout> {
  const content = await readContent(options, entries);
  return {
    ...readOnly(
      { ...readMethods(content), ...listMethods(content), extras: layoutExtras(content) },
      'an archive is read, not changed',
    ),
    roots: () => rootsOf(content),
    close: async () => {},
  };
}

function rootsOf(content: Content): LayoutRoot[] {
  return content.entries.map(({ descriptor, tag, name }) => ({
    descriptor,
    ...(tag === undefined ? {} : { tag }),
    ...(name === undefined ? {} : { name }),
  }));
}
