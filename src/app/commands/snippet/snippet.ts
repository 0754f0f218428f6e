import { AppError } from '#core/std';
import type { Config } from '#surface/config';
import { type ClientSide, clientSide, type Snippet } from './client-side.ts';
import { containerdSnippet } from './containerd.ts';
import { dockerSnippet } from './docker.ts';
import { kubernetesSnippet } from './kubernetes.ts';
import { podmanSnippet } from './podman.ts';

export type { Snippet } from './client-side.ts';

const BY_CLIENT: Readonly<Record<string, (side: ClientSide, isWhole: boolean) => Snippet>> = {
  containerd: containerdSnippet,
  podman: podmanSnippet,
  docker: dockerSnippet,
  k8s: kubernetesSnippet,
};

export const SNIPPET_CLIENTS: readonly string[] = Object.keys(BY_CLIENT);

/**
 * The files that make a client pull through this registry, of all its proxy namespaces or of one.
 * Throws USAGE, CONFIG_INVALID.
 */
export function snippetFor(client: string, config: Config, namespace: string | undefined): Snippet {
  const make = BY_CLIENT[client];
  if (!make) {
    throw new AppError('USAGE', `there is no snippet for "${client}"`, { hint: `use ${SNIPPET_CLIENTS.join(', ')}` });
  }
  return make(clientSide(config, namespace), namespace === undefined);
}
