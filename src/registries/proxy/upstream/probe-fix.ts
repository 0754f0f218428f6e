import { isRegistryError } from '#core/oci';
import { messageOf, type NetworkTrouble, networkTroubleOf, systemCodeOf } from '#core/std';
import type { ProbeOptions, ProbeStep } from './probe.ts';

/** What failed, in the words of whoever said it. */
export function wordsOf(thrown: unknown): string {
  if (isRegistryError(thrown)) return [thrown.message, thrown.why].filter(Boolean).join(': ');
  const code = systemCodeOf(thrown);
  const words = messageOf(thrown);
  return code === undefined || words.includes(code) ? words : `${words} (${code})`;
}

type Place = Pick<ProbeOptions, 'host' | 'url' | 'repository'>;

/** What to do about a step that failed, in a sentence. */
export function fixOf(step: ProbeStep, thrown: unknown, place: Place): string {
  if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) {
    return `the registry lets us ask, but has no such image (some say so of images that are not ours to see): check ${place.repository}`;
  }
  if (isRegistryError(thrown) && thrown.hint !== undefined) return thrown.hint;
  const trouble = networkTroubleOf(thrown);
  return (trouble && byTrouble(trouble, place)) ?? FIX_OF_STEP[step](place);
}

function byTrouble(trouble: NetworkTrouble, { host, url }: Place): string | undefined {
  const entry = `registries."${host}"`;
  const fixes: Readonly<Partial<Record<NetworkTrouble, string>>> = {
    'name-unknown': `check the spelling of ${url.hostname}, or set ${entry}.url to where it is`,
    'no-resolver': 'this machine’s DNS servers do not answer: check /etc/resolv.conf and the way to them',
    'nobody-listens': `the machine is there and nothing listens on the port: check the port in ${entry}, and that it runs`,
    unreachable: 'there is no way to that network: check routes, or set proxyUrl',
    'too-slow': 'packets are lost on the way, mostly in a firewall: let us through, or set proxyUrl',
    'certificate-expired': 'its operator has to renew the certificate; if it is new, check the clock of this machine',
    'certificate-not-yet-valid': 'check the clock of this machine',
    'certificate-of-another': `the DNS leads ${url.hostname} to another machine, or ${entry}.url needs the name in the certificate`,
    'certificate-of-strangers': `set ${entry}.ca to the authority that signed it; a firewall that opens TLS has its own`,
    'no-tls': `it speaks plain HTTP there: set ${entry}.insecure, or the right port`,
  };
  return fixes[trouble];
}

const FIX_OF_STEP: Readonly<Record<ProbeStep, (place: Place) => string>> = {
  dns: ({ url }) => `check that this machine can resolve ${url.hostname}`,
  tcp: ({ host }) => `check that a firewall lets us through to ${host}, or set proxyUrl`,
  tls: ({ url }) => `check with: openssl s_client -connect ${url.hostname}:${url.port || 443}`,
  ping: ({ host }) => `check that ${host} is a registry, and whether a proxy is needed (proxyUrl)`,
  token: ({ host }) => `check registries."${host}".credentials`,
  scope: ({ repository }) => `give the account the right to pull ${repository}`,
  quota: () => 'wait for the window to end, or add an account with a higher limit',
};
