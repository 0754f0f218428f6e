import { isIPv4, isIPv6 } from 'node:net';

/** Addresses of a host name. Injected: the client resolves nothing by itself. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export type TrustOptions = {
  readonly registry: URL;
  /** `host` or `host:port` that are configured as belonging to this registry. */
  readonly trustedHosts?: readonly string[] | undefined;
  readonly lookup?: Lookup | undefined;
};

/** Where a registry may send us. Each answers the reason for a refusal, or undefined. */
export type Trust = {
  /** A token server, which will see credentials. */
  realm(target: URL): Promise<string | undefined>;
  /** A redirect or upload location found at `from`, which sees none unless it has the registry's origin. */
  target(target: URL, from: URL): Promise<string | undefined>;
  /** Whether credentials of the registry may go to a URL. */
  takesCredentials(target: URL): boolean;
};

/** A registry that is told to send us elsewhere must not reach what only we can reach (SSRF), nor learn credentials. */
export function createTrust(options: TrustOptions): Trust {
  const { registry } = options;
  const trusted = new Set((options.trustedHosts ?? []).map((host) => host.toLowerCase()));
  const isTrusted = (url: URL) => trusted.has(url.host) || trusted.has(url.hostname);
  const common = async (target: URL, secure: boolean): Promise<string | undefined> => {
    const reason = shapeReason(target, secure);
    if (reason || target.origin === registry.origin || isTrusted(target)) return reason;
    return addressReason(target, registry, options.lookup);
  };
  return {
    async realm(target) {
      const reason = await common(target, registry.protocol === 'https:');
      if (reason) return reason;
      if (target.origin === registry.origin || isTrusted(target) || sameSite(target, registry)) return undefined;
      return `${target.host} is not of the same site as ${registry.host}`;
    },
    target: (target, from) => common(target, from.protocol === 'https:'),
    takesCredentials: (target) => target.origin === registry.origin,
  };
}

function shapeReason(target: URL, secure: boolean): string | undefined {
  if (target.protocol !== 'https:' && target.protocol !== 'http:') return `${target.protocol} is not HTTP`;
  if (secure && target.protocol !== 'https:') return 'it leaves https for plain http';
  if (target.username !== '' || target.password !== '') return 'it carries credentials in the URL';
  return undefined;
}

type Reach = 'public' | 'private' | 'loopback' | 'linkLocal';

async function addressReason(target: URL, registry: URL, lookup: Lookup | undefined): Promise<string | undefined> {
  const reach = await reachOf(target, lookup);
  if (reach === 'public') return undefined;
  const own = await reachOf(registry, lookup);
  // A registry on this machine may keep its blobs on the network of this machine; nothing else may climb inwards.
  if (reach === own || (reach === 'private' && own === 'loopback')) return undefined;
  const where = { private: 'a private', loopback: 'a loopback', linkLocal: 'a link-local' }[reach];
  return `${target.hostname} is ${where} address and ${registry.hostname} is not`;
}

async function reachOf(url: URL, lookup: Lookup | undefined): Promise<Reach> {
  // A dot at the end says that a name is whole: it is the same name.
  const name = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost')) return 'loopback';
  if (isIPv4(name) || isIPv6(name)) return reachOfAddress(name);
  // A name that cannot be resolved here is resolved by the proxy, or the request fails by itself.
  const addresses = lookup ? await lookup(name).catch(() => []) : [];
  const reaches = addresses.map(reachOfAddress);
  return INWARDS.find((reach) => reaches.includes(reach)) ?? 'public';
}

const INWARDS: readonly Reach[] = ['linkLocal', 'loopback', 'private'];

/** Source: IANA special-purpose address registries. */
export function reachOfAddress(address: string): Reach {
  const v4 = isIPv4(address) ? address : mappedV4(address);
  return v4 === undefined ? reachOfV6(address.toLowerCase()) : reachOfV4(v4);
}

function reachOfV4(address: string): Reach {
  const [a = 0, b = 0, c = 0] = address.split('.').map(Number);
  if (a === 127 || a === 0) return 'loopback';
  if (a === 169 && b === 254) return 'linkLocal';
  if (a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)) return 'private';
  // Carrier-grade NAT: clouds keep their metadata services there too.
  if (a === 100 && b >= 64 && b <= 127) return 'private';
  // Protocol assignments and benchmarks: never on the open net, sometimes inside.
  if ((a === 192 && b === 0 && c === 0) || (a === 198 && (b === 18 || b === 19))) return 'private';
  return 'public';
}

function reachOfV6(address: string): Reach {
  if (address === '::1' || address === '::') return 'loopback';
  if (/^fe[89ab]/.test(address)) return 'linkLocal';
  if (/^f[cd]|^fe[c-f]/.test(address)) return 'private';
  return 'public';
}

/** IPv6 prefixes before an IPv4 address: mapped, translated, NAT64 (RFC 6052, 8215), 6to4, and the old `::a.b.c.d`. */
const V4_INSIDE =
  /^(?:::ffff:(?:0:)?|64:ff9b:(?:1:(?:0:)*)?:|2002:|::)(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))(:.*)?$/i;

/** The IPv4 address inside an IPv6 one: `URL` writes `::ffff:127.0.0.1` as `::ffff:7f00:1`. */
function mappedV4(address: string): string | undefined {
  const match = V4_INSIDE.exec(address);
  // Only 6to4 has anything after it.
  if (!match || (match[4] !== undefined) !== address.startsWith('2002:')) return undefined;
  if (match[1] !== undefined) return match[1];
  const high = Number.parseInt(match[2] ?? '0', 16);
  const low = Number.parseInt(match[3] ?? '0', 16);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Whether two hosts belong to one owner as far as their names tell: the same name, or the same registrable domain. */
export function sameSite(one: URL, other: URL): boolean {
  const site = siteOf(one.hostname);
  return site !== undefined && site === siteOf(other.hostname);
}

/** Domains under which anybody gets a name; entries that matter for registries, beyond the country rule below. */
const SHARED_SUFFIXES = new Set(
  'amazonaws.com azurecr.io azurewebsites.net cloudapp.net cloudfront.net pkg.dev run.app appspot.com web.app github.io gitlab.io herokuapp.com windows.net azure.com digitaloceanspaces.com fly.dev netlify.app ngrok.app ngrok.io onrender.com pages.dev r2.dev vercel.app workers.dev duckdns.org'.split(
    ' ',
  ),
);

/** The part of a name that one owner registered, or undefined for an address and a single label. */
function siteOf(hostname: string): string | undefined {
  if (isIPv4(hostname) || hostname.startsWith('[')) return undefined;
  const labels = hostname.split('.').filter((label) => label !== '');
  if (labels.length < 2) return undefined;
  const last = labels.at(-1) ?? '';
  const second = labels.at(-2) ?? '';
  // `co.uk`, `com.au`: a short word under a country is taken for a public suffix. Too strict rather than too lax.
  const isSuffix = SHARED_SUFFIXES.has(`${second}.${last}`) || (last.length === 2 && second.length <= 3);
  if (!isSuffix) return `${second}.${last}`;
  return labels.length < 3 ? undefined : labels.slice(-3).join('.');
}
