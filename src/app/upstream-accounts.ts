import { type ClientOptions, type CredentialSource, createClient } from '#registries/client';
import type { UpstreamAccount } from '#registries/proxy';
import type { CredentialConfig, RegistryConfig, RegistryLimits } from '#surface/config';
import { configuredCredential, matcherOf, storedCredentials } from './credential.ts';
import type { Machine } from './machine.ts';

export type AccountsOptions = {
  readonly host: string;
  readonly entry: RegistryConfig | undefined;
  readonly machine: Machine;
  readonly client: ClientOptions;
  readonly limits: RegistryLimits;
};

/**
 * What reads an upstream: a client for each of its credentials, so that pulls can be spread over them. Where none is
 * for everything: what docker and podman have stored for the host, or nobody.
 */
export async function upstreamAccounts(options: AccountsOptions): Promise<UpstreamAccount[]> {
  const { host, entry, machine } = options;
  const where = `registries.${host}.credentials`;
  const given = entry?.credentials ?? [];
  const choices = Array.isArray(given) ? given : [given];
  const accounts = choices.map((choice, index): UpstreamAccount => {
    const source = Array.isArray(given) ? `${where}[${index}]` : where;
    const client = clientOf(options, configuredCredential(source, choice, machine));
    return { name: choice.username ?? source, client, ...servesOf(choice) };
  });
  if (choices.some(({ repositories }) => repositories === undefined)) return accounts;
  const stored = storedCredentials(machine);
  return [...accounts, { name: await storedName(host, stored, machine), client: clientOf(options, stored) }];
}

function servesOf({ repositories }: CredentialConfig): Pick<UpstreamAccount, 'serves'> {
  return repositories === undefined ? {} : { serves: matcherOf(repositories) };
}

/** Clients of ours give up after half a minute or so: before that they are told whose fault it is. */
const TIMEOUTS = { responseMs: 20_000, idleMs: 12_000 };

/** Waiting, trying again and counting are the upstream's: the client does a request, and once more where a line broke. */
function clientOf({ client, limits }: AccountsOptions, credentials: CredentialSource) {
  return createClient({
    ...client,
    credentials,
    retry: { attempts: 2 },
    onLimit: 'tell',
    timeouts: TIMEOUTS,
    quirks: { concurrency: limits.connections },
  });
}

/** For messages. A store that cannot be read is an error of the pull that needs it, not of the start. */
async function storedName(host: string, stored: CredentialSource, { log }: Machine): Promise<string> {
  try {
    const credential = await stored(host);
    if (!credential) return 'anonymous';
    return credential.kind === 'basic' ? credential.username : credential.source;
  } catch (thrown) {
    log.warn('stored credentials could not be read', { host, error: String(thrown) });
    return 'stored';
  }
}
