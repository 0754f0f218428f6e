import { RegistryError } from '#core/oci';
import type { Credential } from './credential.ts';

/** One question to a token server. */
export type TokenAsk = {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
};
export type TokenAnswer = { readonly token: string; readonly ttlMs: number };
export type TokenFetch = (ask: TokenAsk) => Promise<TokenAnswer>;

/** A request as the transport sends it, without retries, redirects or authentication of its own. */
export type TokenHttp = (request: {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly identityScopes: readonly string[];
}) => Promise<{ readonly status: number; readonly text: string; fail(): RegistryError }>;

/** What a token lives when the server does not say. Source: distribution docs/content/spec/auth/token.md. */
const DEFAULT_TTL_MS = 60_000;
/** No server is believed longer: clocks and promises fail. */
const MAX_TTL_MS = 24 * 3_600_000;
const CLIENT_ID = 'entrepot';

/** Asks for tokens the way the credential needs it: GET with Basic or nothing, POST with a refresh token. */
export function createTokenFetch(http: TokenHttp): TokenFetch {
  return async (ask) => {
    const { credential } = ask;
    if (credential?.kind === 'identity')
      return read(ask, await post(http, ask, { grant_type: 'refresh_token', refresh_token: credential.token }));
    const answer = await get(http, ask);
    // Some servers know only the OAuth2 form.
    if ((answer.status === 404 || answer.status === 405) && credential?.kind === 'basic') {
      const { username, password } = credential;
      return read(ask, await post(http, ask, { grant_type: 'password', username, password }));
    }
    return read(ask, answer);
  };
}

type Answer = Awaited<ReturnType<TokenHttp>>;

function get(http: TokenHttp, ask: TokenAsk): Promise<Answer> {
  const url = new URL(ask.realm);
  if (ask.service !== undefined) url.searchParams.set('service', ask.service);
  for (const scope of ask.scopes) url.searchParams.append('scope', scope);
  const headers: Record<string, string> = {};
  if (ask.credential?.kind === 'basic') {
    const { username, password } = ask.credential;
    url.searchParams.set('account', username);
    headers.authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  return http({ method: 'GET', url, headers, identityScopes: ask.scopes });
}

function post(http: TokenHttp, ask: TokenAsk, grant: Readonly<Record<string, string>>): Promise<Answer> {
  const form = new URLSearchParams({ ...grant, client_id: CLIENT_ID });
  if (ask.service !== undefined) form.set('service', ask.service);
  if (ask.scopes.length > 0) form.set('scope', ask.scopes.join(' '));
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return http({ method: 'POST', url: ask.realm, headers, body: form.toString(), identityScopes: ask.scopes });
}

function read(ask: TokenAsk, answer: Answer): TokenAnswer {
  if (answer.status !== 200) throw answer.fail();
  const { token, ttlMs } = parse(answer.text);
  if (token === undefined) {
    throw new RegistryError('UPSTREAM_INVALID', `the token server ${ask.realm.host} answered without a token`, {
      origin: 'upstream',
      upstream: { registry: ask.realm.host, status: answer.status },
      hint: 'check that the registry names the right token server',
    });
  }
  return { token, ttlMs };
}

function parse(text: string): { token: string | undefined; ttlMs: number } {
  const none = { token: undefined, ttlMs: DEFAULT_TTL_MS };
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null) return none;
    const { token, access_token: accessToken, expires_in: expiresIn } = json as Readonly<Record<string, unknown>>;
    const value = [token, accessToken].find((candidate) => typeof candidate === 'string' && isHeaderSafe(candidate));
    const seconds = typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : DEFAULT_TTL_MS / 1000;
    return { token: typeof value === 'string' ? value : undefined, ttlMs: Math.min(seconds * 1000, MAX_TTL_MS) };
  } catch {
    return none;
  }
}

function isHeaderSafe(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
