import { dirname, join, resolve } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '#core/std';
import type { ConfigSource, Override } from './load.ts';

/** What finding a file needs of the machine. */
export type ConfigMachine = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readText: (path: string) => Promise<string>;
};

/**
 * The file to use: the one named (`--config`, `ENTREPOT_CONFIG`), else the first of `./entrepot.yaml`,
 * the user's and the machine's folder that exists, else undefined. Throws CONFIG_UNREADABLE.
 */
export async function findConfig(machine: ConfigMachine, named: string | undefined): Promise<ConfigSource | undefined> {
  const wanted = named ?? machine.env.ENTREPOT_CONFIG;
  if (wanted !== undefined && wanted !== '') return await readSource(machine, resolve(machine.cwd, wanted), wanted);
  for (const { path, shown } of defaultPlaces(machine)) {
    try {
      return await readSource(machine, path, shown);
    } catch (thrown) {
      if (!(thrown instanceof AppError && thrown.code === 'CONFIG_NOT_FOUND')) throw thrown;
    }
  }
  return undefined;
}

function defaultPlaces({ cwd, env }: ConfigMachine): { path: string; shown: string }[] {
  const home = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
  const places = [
    home === undefined ? undefined : join(home, 'entrepot', 'entrepot.yaml'),
    '/etc/entrepot/entrepot.yaml',
  ];
  return [
    { path: join(cwd, 'entrepot.yaml'), shown: 'entrepot.yaml' },
    ...places.filter((path) => path !== undefined).map((path) => ({ path, shown: path })),
  ];
}

async function readSource(machine: ConfigMachine, path: string, shown: string): Promise<ConfigSource> {
  try {
    return { text: await machine.readText(path), file: shown, folder: dirname(path) };
  } catch (cause) {
    const missing = systemCodeOf(cause) === 'ENOENT' || systemCodeOf(cause) === 'ENOTDIR';
    const isFolder = systemCodeOf(cause) === 'EISDIR';
    throw new AppError(missing ? 'CONFIG_NOT_FOUND' : 'CONFIG_UNREADABLE', `cannot read ${shown}`, {
      why: missing ? 'there is no such file' : isFolder ? 'it is a folder' : messageOf(cause),
      hint: missing
        ? 'check the path; entrepot init writes a new entrepot.yaml'
        : isFolder
          ? 'name the file in it'
          : 'let this user read it',
      cause,
    });
  }
}

/** Keys that the environment may set, for containers and tests. Flags of the same meaning win. */
export const CONFIG_VARIABLES: readonly { readonly variable: string; readonly path: readonly string[] }[] = [
  { variable: 'ENTREPOT_SERVER_LISTEN', path: ['server', 'listen'] },
  { variable: 'ENTREPOT_SERVER_URL', path: ['server', 'url'] },
  { variable: 'ENTREPOT_STORAGE_PATH', path: ['storage', 'path'] },
  { variable: 'ENTREPOT_LOG_LEVEL', path: ['log', 'level'] },
  { variable: 'ENTREPOT_LOG_FORMAT', path: ['log', 'format'] },
];

export function overridesFromEnv({ cwd, env }: ConfigMachine): Override[] {
  return CONFIG_VARIABLES.flatMap(({ variable, path }) => {
    const value = env[variable];
    if (value === undefined || value === '') return [];
    // A path in the environment is relative to where the command runs, not to a file elsewhere.
    return [{ path, value: path.includes('path') ? resolve(cwd, value) : value, origin: variable }];
  });
}
