import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { tryParseDigest } from '#core/oci';

/** Writes a layout's folder as a tar: the same content makes the same bytes. The file is on disk when it returns. */
export async function writeTar(root: string, path: string): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(path, { flags: 'wx' }));
  try {
    for (const name of await layoutPaths(root)) await addFile(archive, root, name);
    archive.finalize();
  } catch (thrown) {
    archive.destroy(thrown instanceof Error ? thrown : undefined);
    await written.catch(() => {});
    throw thrown;
  }
  await written;
  const file = await open(path, 'r+');
  await file.sync();
  await file.close();
}

/** The index first, so that who reads from the front knows what comes. */
async function layoutPaths(root: string): Promise<string[]> {
  const blobs: string[] = [];
  for (const algorithm of ['sha256', 'sha512']) {
    const folder = join(root, 'blobs', algorithm);
    const names = (await readdir(join(root, 'blobs'))).includes(algorithm) ? await readdir(folder) : [];
    blobs.push(
      ...names.filter((hex) => tryParseDigest(`${algorithm}:${hex}`)).map((hex) => `blobs/${algorithm}/${hex}`),
    );
  }
  return ['oci-layout', 'index.json', ...blobs.sort()];
}

async function addFile(archive: Pack, root: string, name: string): Promise<void> {
  const source = join(root, name);
  const { size } = await stat(source);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const entry = archive.entry({ name, size, ...SAME_ALWAYS }, (error) => (error ? reject(error) : resolve()));
  await Promise.all([promise, pipeline(createReadStream(source), entry)]);
}

const SAME_ALWAYS = { type: 'file', mode: 0o644, uid: 0, gid: 0, uname: '', gname: '', mtime: new Date(0) } as const;
