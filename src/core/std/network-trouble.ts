import { systemCodeOf } from './error.ts';

/** What keeps a connection from being made, as far as people mend it differently. */
export type NetworkTrouble =
  | 'name-unknown'
  | 'no-resolver'
  | 'nobody-listens'
  | 'unreachable'
  | 'too-slow'
  | 'broken-off'
  | 'certificate-expired'
  | 'certificate-not-yet-valid'
  | 'certificate-of-another'
  | 'certificate-of-strangers'
  | 'no-tls';

/** By the codes of Bun's fetch, node:dns, node:net and node:tls (OpenSSL's names for certificates). */
const TROUBLES: Readonly<Record<string, NetworkTrouble>> = {
  ENOTFOUND: 'name-unknown',
  ENODATA: 'name-unknown',
  EAI_AGAIN: 'no-resolver',
  ESERVFAIL: 'no-resolver',
  ETIMEOUT: 'no-resolver',
  ECONNREFUSED: 'nobody-listens',
  ENETUNREACH: 'unreachable',
  EHOSTUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'too-slow',
  ECONNRESET: 'broken-off',
  EPIPE: 'broken-off',
  ConnectionClosed: 'broken-off',
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate-of-another',
  HOSTNAME_MISMATCH: 'certificate-of-another',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate-of-strangers',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate-of-strangers',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate-of-strangers',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate-of-strangers',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate-of-strangers',
  EPROTO: 'no-tls',
};

export function networkTroubleOf(thrown: unknown): NetworkTrouble | undefined {
  const code = systemCodeOf(thrown) ?? '';
  return Object.hasOwn(TROUBLES, code) ? TROUBLES[code] : undefined;
}
