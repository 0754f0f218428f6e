import type { Ask } from './ask.ts';
import { type Attempt, invalidError } from './failure.ts';
import type { Trust } from './trust.ts';

/** Registry → CDN → region is two; more is a loop. */
const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Where a response sends us, or undefined when it does not. */
export function locationOfRedirect(response: Response): string | undefined {
  return REDIRECTS.includes(response.status) ? (response.headers.get('location') ?? undefined) : undefined;
}

type Redirect = { readonly location: string; readonly hops: number; readonly at: Attempt };

/** The address to go on at. Throws UPSTREAM_INVALID where it may not be followed. */
export async function redirectTarget(ask: Ask, { location, hops, at }: Redirect, trust: Trust): Promise<URL> {
  if (hops >= MAX_REDIRECTS) throw invalidError(at, `it redirected more than ${MAX_REDIRECTS} times`);
  if (ask.method !== 'GET' && ask.method !== 'HEAD') throw invalidError(at, 'it redirected a write');
  if (!URL.canParse(location, at.url.href)) throw invalidError(at, 'it redirected to something that is not a URL');
  const target = new URL(location, at.url);
  if (!/^https?:$/.test(target.protocol)) throw invalidError(at, `it redirected to a ${target.protocol} address`);
  const reason = await trust.target(target, at.url);
  if (reason) {
    const hint = `if it is right, name its host in registries."${at.registry}".trustedHosts`;
    throw invalidError(at, `it redirected to ${target.origin}: ${reason}`, hint);
  }
  return target;
}
