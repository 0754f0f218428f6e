/** Where a server listens. */
export type ListenAddress = { readonly hostname: string; readonly port: number };

/** `host:port`, `[ipv6]:port` or `:port` (every address), or undefined. */
export function tryParseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port > 65_535) return undefined;
  const hostname = match[1] ?? match[2] ?? '';
  return { hostname: hostname === '' ? '0.0.0.0' : hostname, port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '::1' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

export function formatListen(address: ListenAddress): string {
  return address.hostname.includes(':')
    ? `[${address.hostname}]:${address.port}`
    : `${address.hostname}:${address.port}`;
}
