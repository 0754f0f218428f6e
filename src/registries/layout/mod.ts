export { type ArchiveWriter, createLayoutArchive, openLayoutArchive } from './archive.ts';
export { type FolderOptions, type Layout, type LayoutRoot, openLayoutFolder } from './layout.ts';
