import { DOCKER_HUB } from '#core/oci';
import { type ClientSide, commonNotes, type Mirrored, namesOf, type Snippet, type SnippetFile } from './client-side.ts';

const FOLDER = '/etc/containerd/certs.d';

/**
 * One folder for each registry, and one for all others. A mirror is asked with `?ns=REGISTRY`.
 * Source: containerd docs/hosts.md.
 */
export function containerdSnippet(side: ClientSide, isWhole: boolean): Snippet {
  return {
    client: 'containerd',
    files: [
      { path: '/etc/containerd/config.toml', text: configToml() },
      ...hostsOf(side.mirrored).map((host) => hostFile(side, host)),
      ...(isWhole ? [defaultFile(side)] : []),
    ],
    notes: [
      'containerd reads hosts.toml at each pull: only config.toml needs a restart.',
      ...containerdCredentials(side),
      ...commonNotes(side),
    ],
  };
}

/** How pull secrets and mirrors go together. Sources: containerd#9997, containerd#10540. */
export function containerdCredentials({ url, mirrored }: ClientSide): string[] {
  const closed = mirrored.filter(({ isOpen }) => !isOpen);
  if (closed.length === 0) return [`Credentials: none. Anybody may pull ${namesOf(mirrored)}.`];
  return [
    `Credentials: access.anonymous does not open ${namesOf(closed)} as a whole. A pull secret is for the registry in the image's name; containerd and the kubelet never send it to a mirror. Either open the namespace to pulls, or write names of this registry into the manifests (entrepot snippet k8s), or give each node a header in hosts.toml, readable by root alone: under server a table [header], under [host."${url}"] a table [host."${url}".header], with\nauthorization = "Basic BASE64_OF_USER:PASSWORD"`,
  ];
}

function configToml(): string {
  return `# containerd 2 (version = 3):
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "${FOLDER}"
# containerd 1 (version = 2):
# [plugins."io.containerd.grpc.v1.cri".registry]
#   config_path = "${FOLDER}"
`;
}

function hostsOf(mirrored: readonly Mirrored[]): string[] {
  return [...new Set(mirrored.map(({ host }) => host))];
}

/**
 * As the only server: what is refused here must not be asked for elsewhere. Without a table `host`, be it empty,
 * containerd 1.6 takes the file for a broken one and goes to the registry itself.
 */
function hostFile(side: ClientSide, host: string): SnippetFile {
  const origin = host === DOCKER_HUB ? 'registry-1.docker.io' : host;
  const commented = hostTable(side).trimEnd().replaceAll(/^/gm, '# ');
  const path = `${FOLDER}/${folderOf(host)}/hosts.toml`;
  const places = side.mirrored.filter((one) => one.host === host);
  if (places.every(({ prefix }) => prefix !== '')) return { path, text: partlyText(side, origin, places) };
  return {
    path,
    text: `server = "${side.url}"
${settings(side, '')}[host]

# Instead, to go round this registry when it does not answer (allow, deny and neverUpstream do not hold then):
# server = "https://${origin}"
${commented}
`,
  };
}

/** Only some of a registry is read here, and a file of containerd is for all of it. */
function partlyText(side: ClientSide, origin: string, places: readonly Mirrored[]): string {
  const names = places.map(({ host, prefix }) => `${host}/${prefix}`).join(', ');
  return `# Only ${names} is read here; what else is there, containerd asks ${origin} for.
# It does so for ${names} too when this registry does not answer.
server = "https://${origin}"
${hostTable(side)}`;
}

/** A colon in a folder's name is written as an underscore on each side of the port. Source: containerd docs/hosts.md. */
function folderOf(host: string): string {
  return host.replace(/:(\d+)$/, '_$1_');
}

/** Registries without a namespace answer "not kept here", and containerd asks them itself. */
function defaultFile(side: ClientSide): SnippetFile {
  return {
    path: `${FOLDER}/_default/hosts.toml`,
    text: `# All other registries: asked here first, so that a new namespace needs nothing on the nodes.\n${hostTable(side)}`,
  };
}

function hostTable(side: ClientSide): string {
  return `[host."${side.url}"]\n${settings(side, '  ')}`;
}

function settings({ isPlain }: ClientSide, indent: string): string {
  const capabilities = `${indent}capabilities = ["pull", "resolve"]\n`;
  const ca = `${indent}# ca = "${FOLDER}/entrepot-ca.pem"   # for a certificate that the system does not trust\n`;
  return isPlain ? capabilities : `${capabilities}${ca}`;
}
