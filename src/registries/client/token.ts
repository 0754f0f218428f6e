import { type OciCode, RegistryError } from '#core/oci';
import { type Clock, createSingleFlight, messageOf } from '#core/std';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Credential, type CredentialSource, identityOf } from './credential.ts';
import { covers, formatScopes, type Scope, scopesToAsk } from './scope.ts';
import type { TokenFetch } from './token-request.ts';
import type { Trust } from './trust.ts';

export type AuthorizerOptions = {
  readonly host: string;
  readonly registry: URL;
  readonly credentials: CredentialSource;
  readonly fetchToken: TokenFetch;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly preemptive?: 'basic' | undefined;
};

/** Knows how one registry wants us to prove who we are, and holds the proofs. */
export type Authorizer = {
  /** The `Authorization` to send, or undefined: nothing is known, or nothing is needed. */
  authorization(scopes: readonly Scope[]): Promise<string | undefined>;
  /**
   * What to send after a 401 that came although `sent` was sent (undefined: nothing was).
   * Undefined: there is no other proof to give. Throws UNAUTHORIZED where the challenge itself cannot be followed.
   */
  challenged(header: string | null, scopes: readonly Scope[], sent: string | undefined): Promise<string | undefined>;
  /** Who we are, for messages. */
  identity(): string;
};

type Token = { readonly value: string; readonly scopes: readonly Scope[]; readonly expiresAtMs: number };
type Bearer = { readonly realm: URL; readonly service: string | undefined };
type Way = { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly bearer: Bearer };

/** Tokens are dropped this long before their end, or at half their life: a request takes time to arrive. */
const EXPIRY_MARGIN_MS = 10_000;
/** A mirror of a thousand repositories needs one token each; beyond, the oldest are asked for again. */
const MAX_TOKENS = 1000;
/** Files and helpers are asked again after this long, so that rotated secrets are seen. */
const CREDENTIAL_TTL_MS = 5 * 60_000;

export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const tokens = createTokenCache(options.clock);
  const flights = createSingleFlight<Token>();
  const holder = createHolder(options);
  let way: Way | undefined = options.preemptive ? { kind: 'basic' } : undefined;

  const bearerToken = async (bearer: Bearer, scopes: readonly Scope[], challenged?: string): Promise<string> => {
    const ask = scopesToAsk(scopes, challenged);
    const token = await flights.run(ask.join(' '), async () => {
      const credential = await holder.get();
      if (credential?.kind === 'bearer')
        return { value: credential.token, scopes, expiresAtMs: Number.MAX_SAFE_INTEGER };
      const startedMs = options.clock.now();
      const answer = await options.fetchToken({ ...bearer, scopes: ask, credential });
      const marginMs = Math.min(EXPIRY_MARGIN_MS, answer.ttlMs / 2);
      const fresh = { value: answer.token, scopes, expiresAtMs: startedMs + answer.ttlMs - marginMs };
      tokens.add(fresh);
      return fresh;
    });
    return `Bearer ${token.value}`;
  };
  const basic = async () => basicHeader(await holder.get());

  return {
    identity: holder.identity,
    async authorization(scopes) {
      if (way === undefined) return undefined;
      if (way.kind === 'basic') return basic();
      const token = tokens.find(scopes);
      return token ? `Bearer ${token.value}` : bearerToken(way.bearer, scopes);
    },
    async challenged(header, scopes, sent) {
      const challenges = parseChallenges(header);
      const chosen = await chooseWay(challenges, options);
      if (!chosen) return undefined;
      way = chosen.way;
      // Another request may have fetched a token while this one was refused without any.
      const held = sent === undefined && way.kind === 'bearer' ? tokens.find(scopes) : undefined;
      if (held) return `Bearer ${held.value}`;
      if (sent !== undefined) {
        tokens.drop(sent);
        holder.drop();
      }
      const next = way.kind === 'basic' ? await basic() : await bearerToken(way.bearer, scopes, chosen.scope);
      return next === sent ? undefined : next;
    },
  };
}

function basicHeader(credential: Credential | undefined): string | undefined {
  if (credential?.kind === 'bearer') return `Bearer ${credential.token}`;
  if (credential?.kind !== 'basic') return undefined;
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}

/** Bearer before Basic: with it the password goes to the token server alone. */
async function chooseWay(
  challenges: readonly Challenge[],
  options: AuthorizerOptions,
): Promise<{ way: Way; scope?: string } | undefined> {
  const offered = challenges.find(({ scheme }) => scheme === 'bearer');
  if (offered) {
    const { realm: realmText = '', service, scope } = offered.parameters;
    const realm = URL.canParse(realmText) ? new URL(realmText) : undefined;
    const reason = realm ? await options.trust.realm(realm) : 'it is not a URL';
    if (!realm || reason) throw refusedRealm(realmText, reason ?? '', options);
    return { way: { kind: 'bearer', bearer: { realm, service } }, ...(scope ? { scope } : {}) };
  }
  return challenges.some(({ scheme }) => scheme === 'basic') ? { way: { kind: 'basic' } } : undefined;
}

function refusedRealm(realm: string, why: string, { host }: AuthorizerOptions): RegistryError {
  const code: OciCode = 'UPSTREAM_INVALID';
  return new RegistryError(code, `${host} sends us to a token server that we do not trust`, {
    origin: 'upstream',
    upstream: { registry: host },
    why: `realm "${realm.replace(/\?.*$/s, '').slice(0, 200)}": ${why}`,
    hint: `if it is right, name its host in registries."${host}".trustedHosts`,
  });
}

function createTokenCache(clock: Clock) {
  const tokens = new Map<string, Token>();
  return {
    find(needed: readonly Scope[]): Token | undefined {
      const nowMs = clock.now();
      const exact = tokens.get(formatScopes(needed).join(' '));
      if (exact && exact.expiresAtMs > nowMs) return exact;
      return [...tokens.values()].find((token) => token.expiresAtMs > nowMs && covers(token.scopes, needed));
    },
    add(token: Token): void {
      tokens.set(formatScopes(token.scopes).join(' '), token);
      const [oldest] = tokens.keys();
      if (tokens.size > MAX_TOKENS && oldest !== undefined) tokens.delete(oldest);
    },
    drop(header: string): void {
      for (const [key, token] of tokens) if (`Bearer ${token.value}` === header) tokens.delete(key);
    },
  };
}

/** The credentials of this registry, read once and again when they are old or were refused. */
function createHolder({ host, credentials, clock }: AuthorizerOptions) {
  const flight = createSingleFlight<Credential | undefined>();
  let held: { credential: Credential | undefined; untilMs: number } | undefined;
  return {
    identity: () => identityOf(held?.credential),
    drop: () => {
      if (held) held = { ...held, untilMs: 0 };
    },
    async get(): Promise<Credential | undefined> {
      if (held && held.untilMs > clock.now()) return held.credential;
      const credential = await flight.run(host, () => read(host, credentials));
      const untilMs = Math.min(clock.now() + CREDENTIAL_TTL_MS, credential?.expiresAtMs ?? Number.MAX_SAFE_INTEGER);
      held = { credential, untilMs };
      return credential;
    },
  };
}

async function read(host: string, credentials: CredentialSource): Promise<Credential | undefined> {
  try {
    return await credentials(host);
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    const hint = typeof cause === 'object' && cause !== null && 'hint' in cause ? String(cause.hint) : undefined;
    const why = typeof cause === 'object' && cause !== null && 'why' in cause ? String(cause.why) : undefined;
    throw new RegistryError('UNAUTHORIZED', `no credentials for ${host}: ${messageOf(cause)}`, {
      cause,
      ...(why === undefined ? {} : { why }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
