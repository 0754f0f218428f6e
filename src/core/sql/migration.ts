import { AppError } from '#core/std';
import type { Connection } from './connection.ts';
import type { SqlModule } from './types.ts';

/** Brings the tables of each module to what the program knows. Throws DATABASE_TOO_NEW, SqlError. */
export async function migrate(connection: Connection, modules: readonly SqlModule[]): Promise<void> {
  connection.exec(
    'CREATE TABLE IF NOT EXISTS migrations (module TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (module, number)) WITHOUT ROWID',
  );
  for (const module of modules) await migrateModule(connection, module);
}

async function migrateModule(connection: Connection, module: SqlModule): Promise<void> {
  const rows = await connection.read<{ applied: number | null }>(
    'SELECT max(number) AS applied FROM migrations WHERE module = ?',
    [module.name],
  );
  const applied = rows[0]?.applied ?? 0;
  if (applied > module.migrations.length) {
    throw new AppError('DATABASE_TOO_NEW', `the tables of "${module.name}" were made by a newer entrepot`, {
      why: `they are at version ${applied}, this program knows ${module.migrations.length}`,
      hint: 'run the newer release, or restore a backup made before the upgrade',
    });
  }
  for (const [index, migration] of module.migrations.entries()) {
    if (index < applied) continue;
    const text = typeof migration === 'string' ? migration : migration.sqlite;
    await applyMigration(connection, { text, module: module.name, number: index + 1 });
  }
}

/** One transaction a migration: a crash leaves whole ones only. */
async function applyMigration(
  connection: Connection,
  step: { readonly text: string; readonly module: string; readonly number: number },
): Promise<void> {
  connection.exec('BEGIN IMMEDIATE');
  try {
    connection.exec(step.text);
    await connection.run('INSERT INTO migrations (module, number) VALUES (?, ?)', [step.module, step.number]);
    connection.exec('COMMIT');
  } catch (thrown) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    throw thrown;
  }
}
