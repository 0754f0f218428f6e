import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Project, parseSource } from './source.ts';

/** Folders that hold nothing of ours: what .gitignore names, and git's own. */
const SKIPPED = new Set(['.git', 'node_modules', 'dist', '.peers', 'bench/results', 'data']);
/** Pictures and archives have no lines to look at. */
const BINARY = /\.(png|jpe?g|gif|ico|webp|woff2?|gz|tgz|tar|zst)$/;
const CODE = /\.(ts|tsx|mjs)$/;

const filesBelow = (root: string, folder: string): string[] =>
  readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const at = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(at) || entry.name === 'node_modules') return [];
    if (entry.isDirectory()) return filesBelow(root, at);
    return entry.isFile() && !BINARY.test(at) && !/\.log$|^\.setup\.lock/.test(at) ? [at] : [];
  });

/** A project from texts by path. */
export const projectOf = (texts: Readonly<Record<string, string>>): Project => ({
  texts: new Map(Object.entries(texts)),
  sources: Object.entries(texts)
    .filter(([file]) => CODE.test(file))
    .map(([file, text]) => parseSource(file, text)),
});

/** The checkout as it lies on the disk, whether committed or not. */
export const readProject = (root: string): Project =>
  projectOf(
    Object.fromEntries(
      filesBelow(root, '')
        .sort()
        .map((file) => [file, readFileSync(path.join(root, file), 'utf8')]),
    ),
  );
