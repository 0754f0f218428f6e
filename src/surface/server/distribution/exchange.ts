import type { Descriptor, RegistryRequest, RepositoryName, RequestKind } from '#core/oci';
import type { Call, Registry, ServedBy } from '#core/registry';
import type { Clock, Log } from '#core/std';
import type { Access } from '../access.ts';
import type { ServerLimits } from '../limits.ts';

/** What handlers need of the world. */
export type Env = {
  readonly registry: Registry;
  readonly access: Access;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly log: Log;
  /** Headers of a manifest's answer, kept by digest. */
  readonly manifestHeaders: (descriptor: Descriptor) => ManifestHeaders;
};

export type ManifestHeaders = { readonly get: Headers; readonly head: Headers; readonly etag: string };

/** One request on its way to an answer. Mutable on purpose: what is learnt on the way goes to log and metrics. */
export type Exchange = {
  readonly env: Env;
  readonly http: Request;
  readonly call: Call;
  bytesIn: number;
  bytesOut: number;
  /** The registry that the client believes to talk to, where the name was resolved by it. */
  readonly ns: string | undefined;
  served: ServedBy | undefined;
  /** Headers that help a client on after an error: where an upload stands. */
  errorHeaders: Readonly<Record<string, string>> | undefined;
  /** Set where the answer's body goes on after the handler: its cut is worth a line. */
  longBody: boolean;
  /** The sender was given up: the connection is of no more use. */
  closes: boolean;
};

/** The member of the union that can be of kind K. */
export type RequestOf<K extends RequestKind, R = RegistryRequest> = R extends { readonly kind: infer Kinds }
  ? K extends Kinds
    ? R
    : never
  : never;
export type Handler<K extends RequestKind> = (request: RequestOf<K>, exchange: Exchange) => Promise<Response>;
export type Handlers = { readonly [K in RequestKind]: Handler<K> };

export const API_VERSION = { 'docker-distribution-api-version': 'registry/2.0' } as const;

/** Whether the caller may pull, for mounts and listings. */
export function mayRead({ env, call }: Exchange): (repository: RepositoryName) => boolean | Promise<boolean> {
  return (repository) => env.access.authorize(call.principal, 'pull', repository);
}
