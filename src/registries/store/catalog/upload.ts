import { defineCommand } from '#core/sql';

export type UploadRow = {
  readonly id: string;
  readonly repository: string;
  readonly principal: string;
  readonly algorithm: string;
  readonly started_at_ms: number;
};

export const beginUpload = defineCommand('store.beginUpload', async (tx, row: UploadRow): Promise<void> => {
  await tx.run('INSERT INTO uploads (id, repository, principal, algorithm, started_at_ms) VALUES (?, ?, ?, ?, ?)', [
    row.id,
    row.repository,
    row.principal,
    row.algorithm,
    row.started_at_ms,
  ]);
});

export const endUpload = defineCommand('store.endUpload', async (tx, { id }: { readonly id: string }) => {
  await tx.run('DELETE FROM uploads WHERE id = ?', [id]);
});
