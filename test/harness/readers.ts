import { openReader, type Reader } from './reader.ts';

const counts = { all: 20, parts: 160, stalled: 20 };
/** Of a blob; a part of 1 GiB is 16 MiB. */
const partsOfWhole = 64;
// Enough to know that it is answered, little enough to lie in a socket.
const stallAfterBytes = 100_000;

/** The crowd on one blob: 20 read all of it, 160 a part, 20 begin and read on no more. Throws unless all is right. */
export async function crowd(target: { port: number; path: string }, blob: { digest: string; sizeBytes: number }) {
  const stalled = Array.from({ length: counts.stalled }, () => openReader(target, { stallAfter: stallAfterBytes }));
  // One of them looks at the bytes: hashing for all would measure the readers.
  const all = Array.from({ length: counts.all }, (_, at) => openReader(target, { hash: at === 0 }));
  const partBytes = Math.floor(blob.sizeBytes / partsOfWhole);
  const parts: Reader[] = [];
  for (let at = 0; at < counts.parts; at++) {
    const start = Math.floor(Math.random() * (blob.sizeBytes - partBytes));
    parts.push(openReader(target, { range: [start, start + partBytes - 1] }));
  }
  const wholes = await Promise.all(all.map(({ done }) => done));
  const pieces = await Promise.all(parts.map(({ done }) => done));
  for (const reader of stalled) reader.close();
  const wrong = [
    ...wholes.filter(({ status, bytes }) => status !== 200 || bytes !== blob.sizeBytes),
    ...wholes.filter(({ digest }) => digest !== undefined && digest !== blob.digest),
    ...pieces.filter(({ status, bytes }) => status !== 206 || bytes !== partBytes),
  ];
  if (wrong.length > 0) throw new Error(`${wrong.length} readers got something else: ${JSON.stringify(wrong[0])}`);
}
