import { defineCommand } from '#core/sql';
import { repositoryId } from './repository.ts';
import { setTag } from './tag.ts';
import { useManifest } from './use.ts';

export type KeepTagArgs = {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly nowMs: number;
  readonly principal: string;
};

/** Moves a tag to a manifest of the repository; false where it has no such. */
export const keepTag = defineCommand('store.keepTag', async (tx, args: KeepTagArgs): Promise<boolean> => {
  const repository = await repositoryId(tx, args.repository);
  if (repository === undefined) return false;
  const rows = await tx.read<{ id: number }>(
    `SELECT m.id FROM manifests m JOIN manifest_links l ON l.repository_id = ? AND l.manifest_id = m.id
     WHERE m.digest = ? AND m.available = 1`,
    [repository, args.digest],
  );
  const [manifest] = rows;
  if (!manifest) return false;
  await setTag(tx, { ...args, repository, manifest: manifest.id });
  await useManifest(tx, { repository, manifest: manifest.id, usedAtMs: args.nowMs });
  return true;
});
