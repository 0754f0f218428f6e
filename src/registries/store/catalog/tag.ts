import { defineCommand, type Tx } from '#core/sql';
import { repositoryId } from './repository.ts';

export type SetTag = {
  readonly repository: number;
  readonly tag: string;
  readonly nowMs: number;
  readonly principal: string;
} & (
  | { readonly manifest: number; readonly digest: string }
  | { readonly manifest: undefined; readonly digest?: never }
);

/** Moves or (without a manifest) removes a tag, and writes that down. A tag that stays where it is leaves no trace. */
export async function setTag(tx: Tx, args: SetTag): Promise<void> {
  const { repository, tag, manifest, nowMs } = args;
  if (manifest === undefined) {
    await tx.run('DELETE FROM tags WHERE repository_id = ? AND name = ?', [repository, tag]);
  } else {
    const changed = await tx.run(
      `INSERT INTO tags (repository_id, name, manifest_id, set_at_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id, set_at_ms = excluded.set_at_ms
       WHERE tags.manifest_id <> excluded.manifest_id`,
      [repository, tag, manifest, nowMs],
    );
    if (changed === 0) return;
  }
  await tx.run('INSERT INTO tag_history (repository_id, tag, digest, at_ms, principal) VALUES (?, ?, ?, ?, ?)', [
    repository,
    tag,
    args.digest ?? null,
    nowMs,
    args.principal,
  ]);
}

export type DeleteTagArgs = {
  readonly repository: string;
  readonly tag: string;
  readonly nowMs: number;
  readonly principal: string;
};

/** Whether the tag was there. */
export const deleteTag = defineCommand('store.deleteTag', async (tx, args: DeleteTagArgs): Promise<boolean> => {
  const repository = await repositoryId(tx, args.repository);
  if (repository === undefined) return false;
  const rows = await tx.read('SELECT 1 AS found FROM tags WHERE repository_id = ? AND name = ?', [
    repository,
    args.tag,
  ]);
  if (rows.length === 0) return false;
  await setTag(tx, {
    repository,
    tag: args.tag,
    manifest: undefined,
    nowMs: args.nowMs,
    principal: args.principal,
  });
  return true;
});
