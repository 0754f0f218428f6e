export { type FolderOptions, type Layout, type LayoutRoot, openLayoutFolder } from './layout.ts';
