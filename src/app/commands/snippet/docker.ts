import { DOCKER_HUB } from '#core/oci';
import { AppError } from '#core/std';
import { type ClientSide, commonNotes, type Mirrored, type Snippet } from './client-side.ts';

/**
 * The daemon mirrors Docker Hub alone, and names a mirror by its host: a namespace needs a host of its own.
 * Source: docs.docker.com, "Docker Hub mirror". Throws CONFIG_INVALID.
 */
export function dockerSnippet(side: ClientSide): Snippet {
  const hubs = side.mirrored.filter(({ host, prefix }) => host === DOCKER_HUB && prefix === '');
  const named = hubs.find(({ hosts }) => hosts.length > 0);
  const [own] = named?.hosts ?? [];
  if (!named || own === undefined) throw noHost(hubs);
  const settings = { 'registry-mirrors': [mirrorUrl(side, own)] };
  return {
    client: 'docker',
    files: [{ path: '/etc/docker/daemon.json', text: `${JSON.stringify(settings, null, 2)}\n` }],
    notes: [
      'docker mirrors Docker Hub only, and asks Docker Hub itself where the mirror fails. For everything else, and for what must not go round this registry, pull by its names: ' +
        `docker pull ${side.host}/${named.namespace}/library/redis:7`,
      `${hostnameOf(own)} has to lead to this server${side.isPlain ? '' : ', and to stand in its certificate'}.`,
      'Restart docker, or send it SIGHUP: systemctl reload docker.',
      named.isOpen
        ? `Credentials: none. Anybody may pull ${named.namespace}.`
        : `Credentials: access.anonymous does not open ${named.namespace} as a whole, and docker knows no credentials for mirrors; it may send those of "docker login" for Docker Hub. Open the namespace to pulls, or pull by this registry's names after "docker login ${side.host}".`,
      ...(side.isPlain
        ? []
        : [`For a certificate that the system does not trust: /etc/docker/certs.d/${mirrorHost(side, own)}/ca.crt`]),
      ...commonNotes(side),
    ],
  };
}

function mirrorUrl(side: ClientSide, own: string): string {
  return `${side.isPlain ? 'http' : 'https'}://${mirrorHost(side, own)}`;
}

function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}

/** The same server by another name: it has the same port. */
function mirrorHost({ url }: ClientSide, own: string): string {
  const { port } = new URL(url);
  return port === '' || /:\d+$/.test(own) ? own : `${own}:${port}`;
}

function noHost([hub]: readonly Mirrored[]): AppError {
  if (!hub) {
    return new AppError('CONFIG_INVALID', 'there is no proxy namespace of Docker Hub', {
      why: 'docker mirrors Docker Hub alone',
      hint: `add one: hub: { type: proxy, upstream: ${DOCKER_HUB}, hosts: [hub.registry.example.com] }`,
    });
  }
  return new AppError('CONFIG_INVALID', `the namespace ${hub.namespace} has no host of its own`, {
    why: 'docker names a mirror by its host, without a path',
    hint: `add hosts: [hub.registry.example.com] to namespaces.${hub.namespace}, a name that leads to this server`,
  });
}
