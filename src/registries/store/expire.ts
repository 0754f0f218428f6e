import type { UploadRow } from './catalog/upload.ts';
import { endUpload } from './catalog/upload.ts';
import type { StoreContext } from './context.ts';
import { dropSession } from './upload.ts';

/** At start nobody is uploading: a file without a row is what a crash left of a push that was never acknowledged. */
export async function sweepUploads(context: StoreContext): Promise<void> {
  const { fs, layout, database } = context;
  for (const id of await fs.list(layout.uploads)) {
    const rows = await database.read('SELECT 1 AS found FROM uploads WHERE id = ?', [id]);
    if (rows.length === 0) await fs.unlink(layout.upload(id));
  }
  await expireUploads(context);
}

/** Drops idle uploads, those of earlier processes too; how many. */
export async function expireUploads(context: StoreContext): Promise<number> {
  const beforeMs = context.clock.now() - context.limits.uploadIdleMs;
  let expired = 0;
  for (const session of [...context.sessions.values()]) {
    if (session.busy || session.ended || session.lastUsedMs >= beforeMs) continue;
    await dropSession(context, session);
    expired++;
  }
  const rows = await context.database.read<UploadRow>('SELECT id, started_at_ms FROM uploads WHERE started_at_ms < ?', [
    beforeMs,
  ]);
  for (const row of rows) {
    if (context.sessions.has(row.id)) continue;
    if (await expireRow(context, row, beforeMs)) expired++;
  }
  return expired;
}

async function expireRow({ fs, layout, database }: StoreContext, row: UploadRow, beforeMs: number): Promise<boolean> {
  const path = layout.upload(row.id);
  const facts = await fs.stat(path);
  if ((facts?.modifiedMs ?? row.started_at_ms) >= beforeMs) return false;
  await fs.unlink(path);
  await database.write(endUpload, { id: row.id });
  return true;
}
