import { AppError } from '#core/std';
import { type Connection, openConnection } from './connection.ts';
import { type ErrorData, errorToData, SqlError } from './error.ts';
import { migrate } from './migration.ts';
import type { AnyCommand, SqlModule, SqlWritePoint, Tx } from './types.ts';

/** A command by name, as it travels to the writer, and what came of it. */
export type CommandCall = { readonly command: string; readonly args: unknown };
export type Outcome =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: ErrorData };

/** The writer itself: runs commands together in one transaction and answers when it is durable. */
export type BatchRunner = {
  run(calls: readonly CommandCall[]): Promise<Outcome[]>;
  close(): void;
};

export type WriterOptions = { readonly modules: readonly SqlModule[]; readonly writePoint?: SqlWritePoint | undefined };

/** Opens the database for writing and migrates it. Throws SqlError, DATABASE_TOO_NEW. */
export async function openBatchRunner(path: string, options: WriterOptions): Promise<BatchRunner> {
  const commands = commandsByName(options.modules);
  const connection = openConnection(path, 'writer');
  try {
    await migrate(connection, options.modules);
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
  return {
    run: (calls) => runBatch(connection, commands, { calls, writePoint: options.writePoint }),
    close: () => connection.close(),
  };
}

function commandsByName(modules: readonly SqlModule[]): ReadonlyMap<string, AnyCommand> {
  const commands = new Map<string, AnyCommand>();
  for (const command of modules.flatMap((module) => module.commands)) {
    if (commands.has(command.name)) throw new AppError('INTERNAL', `two commands are named ${command.name}`);
    commands.set(command.name, command);
  }
  return commands;
}

type Batch = { readonly calls: readonly CommandCall[]; readonly writePoint: SqlWritePoint | undefined };

async function runBatch(
  connection: Connection,
  commands: ReadonlyMap<string, AnyCommand>,
  batch: Batch,
): Promise<Outcome[]> {
  try {
    connection.exec('BEGIN IMMEDIATE');
    const outcomes: Outcome[] = [];
    for (const call of batch.calls) outcomes.push(await runOne(connection, commands.get(call.command), call));
    await batch.writePoint?.('sql:commit:before');
    connection.exec('COMMIT');
    await batch.writePoint?.('sql:commit:after');
    return outcomes;
  } catch (thrown) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    const error = errorToData(thrown);
    return batch.calls.map(() => ({ ok: false, error }));
  }
}

/** A savepoint a command: what one throws does not undo the others of its batch. */
async function runOne(connection: Connection, command: AnyCommand | undefined, call: CommandCall): Promise<Outcome> {
  connection.exec('SAVEPOINT command');
  const tx: Tx = { read: connection.read, run: connection.run };
  try {
    if (!command) throw new SqlError('SQL_FAILED', `the writer knows no command ${call.command}`);
    const result = await command.run(tx, call.args as never);
    connection.exec('RELEASE command');
    return { ok: true, result };
  } catch (thrown) {
    // A full disk ends the whole transaction by itself; then nothing of the batch may be acknowledged.
    if (!connection.inTransaction) throw thrown;
    connection.exec('ROLLBACK TO command');
    connection.exec('RELEASE command');
    return { ok: false, error: errorToData(thrown) };
  }
}
