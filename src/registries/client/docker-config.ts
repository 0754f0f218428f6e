import { AppError, messageOf, systemCodeOf } from '#core/std';
import type { Credential, CredentialSource } from './credential.ts';
import { helperCredential, type Spawn } from './credential-helper.ts';

export type DockerConfigOptions = {
  /** Text of a file; rejects with `code: 'ENOENT'` where there is none. */
  readonly readFile: (path: string) => Promise<string>;
  readonly spawn: Spawn;
  /** Values of DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, HOME. */
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Docker's name for the Hub in files and helpers. */
const HUB_KEY = 'https://index.docker.io/v1/';
/** A file of credentials; real ones have some kilobytes. */
const MAX_CONFIG_LENGTH = 1024 * 1024;

/**
 * Credentials as docker and podman keep them. In order: `DOCKER_AUTH_CONFIG` (the JSON itself), `REGISTRY_AUTH_FILE`,
 * `$XDG_RUNTIME_DIR/containers/auth.json`, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
 * Read anew each time, so that a `docker login` beside us counts. Throws CREDENTIALS_UNREADABLE.
 * Source: docker/cli cli/config/configfile/file.go; containers-auth.json(5).
 */
export function dockerConfigCredentials(options: DockerConfigOptions): CredentialSource {
  return async (host) => {
    const inline = options.env.DOCKER_AUTH_CONFIG;
    if (inline) {
      const found = await lookUp(host, { name: 'DOCKER_AUTH_CONFIG', text: inline }, options);
      if (found) return found;
    }
    for (const { path, required } of filesOf(options.env)) {
      const text = await readConfig(path, required, options);
      const found = text === undefined ? undefined : await lookUp(host, { name: path, text }, options);
      if (found) return found;
    }
    return undefined;
  };
}

function filesOf(env: DockerConfigOptions['env']): { path: string; required: boolean }[] {
  const files: { path: string; required: boolean }[] = [];
  // Somebody who names a file means that file.
  if (env.REGISTRY_AUTH_FILE) files.push({ path: env.REGISTRY_AUTH_FILE, required: true });
  else if (env.XDG_RUNTIME_DIR) files.push({ path: `${env.XDG_RUNTIME_DIR}/containers/auth.json`, required: false });
  const folder = env.DOCKER_CONFIG || (env.HOME ? `${env.HOME}/.docker` : undefined);
  if (folder) files.push({ path: `${folder}/config.json`, required: false });
  return files;
}

async function readConfig(path: string, required: boolean, options: DockerConfigOptions): Promise<string | undefined> {
  try {
    return await options.readFile(path);
  } catch (cause) {
    if (!required && systemCodeOf(cause) === 'ENOENT') return undefined;
    throw unreadable(path, messageOf(cause), cause);
  }
}

function unreadable(name: string, why: string, cause?: unknown): AppError {
  return new AppError('CREDENTIALS_UNREADABLE', `the registry credentials in ${name} cannot be read`, {
    why,
    hint: `repair or remove ${name}, or set credentials for the registry in entrepot.yaml`,
    cause,
  });
}

type Named = { readonly name: string; readonly text: string };
type Json = Readonly<Record<string, unknown>>;

async function lookUp(host: string, file: Named, options: DockerConfigOptions): Promise<Credential | undefined> {
  const config = parseConfig(file);
  const keys = keysOf(host);
  const helpers = isObject(config.credHelpers) ? config.credHelpers : {};
  const own = keys.map((key) => helpers[key]).find((helper) => typeof helper === 'string' && helper !== '');
  const helper = own ?? config.credsStore;
  if (typeof helper === 'string' && helper !== '') {
    const found = await helperCredential(helper, host === 'docker.io' ? HUB_KEY : host, options.spawn);
    if (found) return found;
  }
  const auths = isObject(config.auths) ? config.auths : {};
  for (const [key, entry] of Object.entries(auths)) {
    const credential = keys.includes(normalized(key)) && isObject(entry) ? credentialOf(entry, file.name) : undefined;
    if (credential) return credential;
  }
  return undefined;
}

function parseConfig({ name, text }: Named): Json {
  if (text.length > MAX_CONFIG_LENGTH) throw unreadable(name, `it is longer than ${MAX_CONFIG_LENGTH} bytes`);
  try {
    const config: unknown = JSON.parse(text);
    if (isObject(config)) return config;
  } catch {
    // The parser's words may quote the text, which holds secrets.
  }
  throw unreadable(name, 'it is not a JSON object');
}

/** The keys under which one host's entry may stand. */
function keysOf(host: string): string[] {
  return host === 'docker.io' ? [HUB_KEY, 'docker.io', 'index.docker.io', 'registry-1.docker.io'] : [host];
}

/** Old entries are URLs: `https://quay.io/v1/` means `quay.io`. */
function normalized(key: string): string {
  if (key === HUB_KEY) return key;
  return key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
}

function credentialOf(entry: Json, source: string): Credential | undefined {
  if (isText(entry.identitytoken)) return { kind: 'identity', token: entry.identitytoken, source };
  if (isText(entry.registrytoken)) return { kind: 'bearer', token: entry.registrytoken, source };
  if (isText(entry.username) && isText(entry.password)) {
    return { kind: 'basic', username: entry.username, password: entry.password, source };
  }
  if (!isText(entry.auth)) return undefined;
  const pair = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  if (colon <= 0) throw unreadable(source, 'an "auth" entry is not base64 of user:password');
  return { kind: 'basic', username: pair.slice(0, colon), password: pair.slice(colon + 1), source };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
