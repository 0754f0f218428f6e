import { afterEach, expect, test } from 'bun:test';
import { digestOf, RegistryError } from '#core/oci';
import { fileParts } from './file-part.fake.ts';
import { failureOf, fakeSource, setUp, someBytes, wholeOf } from './flight.fake.ts';

const BYTES = someBytes(3_000_000);
const DIGEST = digestOf(BYTES);
const folder = fileParts();

afterEach(folder.dispose);

test('parts in files: a herd, of whom some fall behind, shares what is read back; a later process goes on', async () => {
  const { parts, counts } = folder;
  const down = new RegistryError('UPSTREAM_UNAVAILABLE', 'it is down', { origin: 'upstream' });
  const source = fakeSource('a', BYTES, (nth) => {
    if (nth === 1) return { cutAt: 1_000_000, chunkOf: () => 50_000 };
    return nth <= 4 ? { fail: down } : { chunkOf: () => 50_000 };
  });
  await failureOf(wholeOf(await setUp({ parts }).read(DIGEST, [source])));
  // Enough for what was read back, and too little for what came of late.
  const { read, flights } = setUp({ parts, limits: { tipBytes: 1_500_000 } });
  const first = await read(DIGEST, [source]);
  const herd = await Promise.all(Array.from({ length: 10 }, () => read(DIGEST, [source])));
  expect(await wholeOf(first)).toEqual(BYTES);
  const before = counts.readBytes;
  for (const bytes of await Promise.all(herd.map(wholeOf))) expect(bytes).toEqual(BYTES);
  expect(counts.readBytes - before).toBeLessThan(2 * BYTES.byteLength);
  expect(source.asked).toEqual([0, 1_000_000, 1_000_000, 1_000_000, 1_000_000]);
  expect(source.sentBytes()).toBe(BYTES.byteLength);
  expect(counts.committed).toBe(1);
  await flights.close();
});
