import { isIPv4 } from 'node:net';

/** Which proxy requests take: `url` for everything, else what the environment's variables say. */
export type ProxySetting = {
  /** `proxyUrl` of the registry. */
  readonly url?: string;
  /** Values of HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or lower case), given by the application. */
  readonly env?: { readonly https?: string; readonly http?: string; readonly no?: string };
};

/** The proxy for a URL, or undefined for a direct connection. */
export function proxyFor(target: URL, setting: ProxySetting | undefined): string | undefined {
  if (!setting) return undefined;
  if (setting.url) return setting.url;
  const { env } = setting;
  const url = target.protocol === 'https:' ? env?.https : env?.http;
  if (!url || isExempt(target, env?.no ?? '')) return undefined;
  return url.includes('://') ? url : `http://${url}`;
}

/** NO_PROXY as Go and curl read it: `*`, names with their subdomains, `host:port`, addresses and IPv4 networks. Loopback always. */
function isExempt(target: URL, noProxy: string): boolean {
  const hostname = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (hostname === 'localhost' || hostname === '::1' || (isIPv4(hostname) && hostname.startsWith('127.'))) return true;
  return noProxy
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry.toLowerCase(), hostname, target));
}

function matches(entry: string, hostname: string, target: URL): boolean {
  if (entry === '*' || entry === hostname) return true;
  if (entry.includes('/')) return inNetwork(hostname, entry);
  const port = target.port || (target.protocol === 'https:' ? '443' : '80');
  const [name = '', entryPort] = entry.split(':');
  if (entryPort !== undefined && entryPort !== port) return false;
  const bare = name.replace(/^\*?\./, '');
  return bare !== '' && (hostname === bare || hostname.endsWith(`.${bare}`));
}

function inNetwork(hostname: string, network: string): boolean {
  const [base = '', bitsText = ''] = network.split('/');
  const bits = Number(bitsText);
  if (!isIPv4(hostname) || !isIPv4(base) || !Number.isInteger(bits) || bits < 0 || bits > 32) return false;
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return (numberOf(hostname) & mask) >>> 0 === (numberOf(base) & mask) >>> 0;
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** A proxy's address without the credentials it may carry. */
export function proxyName(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'the proxy';
  }
}
