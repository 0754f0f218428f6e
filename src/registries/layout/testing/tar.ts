import { join } from 'node:path';
import { type Header, pack } from 'tar-stream';

export type TarMember = Partial<Header> & { readonly name: string; readonly content?: string | Uint8Array };

/** The bytes of a tar with these members. */
export async function tarOf(members: readonly TarMember[]): Promise<Uint8Array> {
  const archive = pack();
  for (const { content = '', ...header } of members) archive.entry(header, Buffer.from(content));
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function writeTarOf(folder: string, members: readonly TarMember[]): Promise<string> {
  const path = join(folder, 'archive.tar');
  await Bun.write(path, await tarOf(members));
  return path;
}
