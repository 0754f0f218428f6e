import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '#core/oci';
import type { Content } from './content.ts';
import { replaceFile } from './files.ts';
import { type Entry, indexBytes, LAYOUT_MARKER, newEntry, untagged } from './index-file.ts';

/**
 * The entries that `index.json` must have besides the tagged ones, so that every manifest is reached: those that no
 * tag and no index leads to, such as signatures. A child of an index needs none.
 */
export function settled(content: Content, tagged: readonly Entry[]): Entry[] {
  const reached = new Set<Digest>(tagged.map(({ descriptor }) => descriptor.digest));
  for (const { manifest } of content.manifests.values()) {
    for (const { digest } of manifest.manifests) reached.add(digest);
  }
  const before = new Map(content.entries.map((entry) => [entry.descriptor.digest, entry]));
  const rest: Entry[] = [];
  for (const [digest, { descriptor }] of content.manifests) {
    if (reached.has(digest)) continue;
    const entry = before.get(digest);
    rest.push(entry ? untagged(entry) : newEntry(descriptor, undefined));
  }
  return [...tagged, ...rest];
}

/** Makes an empty layout where there is none. The marker comes last: without it the folder is no layout. */
export async function ensureLayout(content: Content, root: string): Promise<void> {
  if (content.exists) return;
  await mkdir(root, { recursive: true });
  await replaceFile(join(root, 'index.json'), indexBytes([]));
  await replaceFile(join(root, 'oci-layout'), LAYOUT_MARKER);
  content.exists = true;
}
