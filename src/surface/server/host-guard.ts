import { RegistryError } from '#core/oci';

/** Lets a request pass, or says why not. */
export type HostGuard = (request: Request, authority: string) => RegistryError | undefined;

const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?$/;

/**
 * For a server on loopback that asks for no credentials: a web page whose name was made to point at this machine
 * (DNS rebinding) sends its own Host, a page of another site its own Origin. Neither gets in.
 * `publicHost` is the host and port of the configured `server.url`, `hosts` are those that namespaces answer for.
 */
export function createHostGuard(publicHost?: string, hosts: readonly string[] = []): HostGuard {
  // Clients keep to one Host: remembering the last good one spares the check on every request.
  let lastGood: string | undefined;
  const isOurs = (host: string) => LOOPBACK.test(host) || host === publicHost || hosts.includes(host);
  return (request, authority) => {
    if (authority !== lastGood) {
      if (!isOurs(authority)) return foreign('Host', authority);
      lastGood = authority;
    }
    const origin = request.headers.get('origin');
    if (origin === null) return undefined;
    const originHost = origin.slice(origin.indexOf('//') + 2);
    return originHost === authority || originHost === publicHost ? undefined : foreign('Origin', origin);
  };
}

function foreign(header: string, value: string): RegistryError {
  return new RegistryError('DENIED', `${header} "${value.slice(0, 120)}" is not this server`, {
    why: 'without an access block, only this machine is served, under its own names',
    hint: 'use localhost or 127.0.0.1, or set server.url and access in entrepot.yaml',
  });
}
