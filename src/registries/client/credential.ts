/** What proves who we are to one registry. `source` says where it came from, for error messages; it holds no secret. */
export type Credential = CredentialForm & { readonly source: string; readonly expiresAtMs?: number };

type CredentialForm =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token, exchanged at the token server by POST. */
  | { readonly kind: 'identity'; readonly token: string }
  /** A token for the registry itself. */
  | { readonly kind: 'bearer'; readonly token: string };

/** Credentials for a registry host (`docker.io`, `quay.io`, `localhost:5000`), or undefined: then we are anonymous. */
export type CredentialSource = (host: string) => Promise<Credential | undefined>;

/** Nobody. */
export const noCredentials: CredentialSource = async () => undefined;

/** User names and passwords by host, as the configuration gives them. */
export function fixedCredentials(
  entries: Readonly<Record<string, { readonly username: string; readonly password: string; readonly source?: string }>>,
): CredentialSource {
  const byHost = new Map(Object.entries(entries));
  return async (host) => {
    const entry = byHost.get(host);
    if (!entry) return undefined;
    const { username, password, source = 'the configuration' } = entry;
    return { kind: 'basic', username, password, source };
  };
}

/** The first source that knows the host. A source that fails ends the search: a broken one is not an absent one. */
export function firstOf(...sources: readonly CredentialSource[]): CredentialSource {
  return async (host) => {
    for (const source of sources) {
      const credential = await source(host);
      if (credential) return credential;
    }
    return undefined;
  };
}

/** Who we are, without the secret. */
export function identityOf(credential: Credential | undefined): string {
  if (!credential) return 'anonymous';
  const who = credential.kind === 'basic' ? `"${credential.username}"` : `a ${credential.kind} token`;
  return `${who} (${credential.source})`;
}
