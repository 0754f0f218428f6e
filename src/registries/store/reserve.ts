import type { StoreContext } from './context.ts';
import { isNoRoom } from './storage-error.ts';

/** SQLite needs some pages to write down that rows are gone: 16 KiB did, with room for a larger catalog. */
const RESERVE_BYTES = 256 * 1024;

/** Keeps a little room that only gc may have: on a disk without any it could not even note what it removes. */
export async function keepReserve({ fs, layout }: StoreContext): Promise<void> {
  if ((await fs.stat(layout.reserve))?.sizeBytes === RESERVE_BYTES) return;
  try {
    const file = await fs.openFile(layout.reserve);
    try {
      await file.write([new Uint8Array(RESERVE_BYTES)], 0);
    } finally {
      await file.close();
    }
  } catch (thrown) {
    // The disk is full already: the next start tries again.
    if (!isNoRoom(thrown)) throw thrown;
  }
}

/** Runs gc; where the disk has no room for it, once more with the reserve given up, which is made anew from what it frees. */
export async function withReserve<T>(context: StoreContext, gc: () => Promise<T>): Promise<T> {
  try {
    return await gc();
  } catch (thrown) {
    if (!isNoRoom(thrown) || !(await context.fs.unlink(context.layout.reserve))) throw thrown;
  }
  try {
    return await gc();
  } finally {
    await keepReserve(context);
  }
}
