import { type ClientSide, commonNotes, type Mirrored, namesOf, type Snippet } from './client-side.ts';

const PATH = '/etc/containers/registries.conf.d/50-entrepot.conf';

/** podman, buildah, skopeo and CRI-O. Source: containers-registries.conf(5), version 2. */
export function podmanSnippet(side: ClientSide): Snippet {
  return {
    client: 'podman',
    files: [{ path: PATH, text: side.mirrored.map((one) => registryTable(side, one)).join('\n') }],
    notes: [
      'Read at each pull; CRI-O reads it again on SIGHUP.',
      ...credentials(side),
      ...(side.isPlain
        ? []
        : [`For a certificate that the system does not trust: /etc/containers/certs.d/${side.host}/ca.crt`]),
      ...commonNotes(side),
    ],
  };
}

function registryTable({ host, isPlain }: ClientSide, { host: upstream, prefix, namespace }: Mirrored): string {
  const place = prefix === '' ? upstream : `${upstream}/${prefix}`;
  const insecure = isPlain ? 'insecure = true\n' : '';
  return `[[registry]]
prefix = "${place}"
location = "${host}/${namespace}"
${insecure}# To go round this registry when it does not answer (allow, deny and neverUpstream do not hold then), instead of location:
# location = "${place}"
# [[registry.mirror]]
# location = "${host}/${namespace}"
${isPlain ? '# insecure = true\n' : ''}`;
}

/** Source: containers/image#2949. */
function credentials({ host, mirrored }: ClientSide): string[] {
  const closed = mirrored.filter(({ isOpen }) => !isOpen);
  if (closed.length === 0) return [`Credentials: none. Anybody may pull ${namesOf(mirrored)}.`];
  return [
    `Credentials: access.anonymous does not open ${namesOf(closed)} as a whole. podman uses those of "podman login ${host}". CRI-O under Kubernetes sends an image's pull secret to the registry in its name only; for this one, set global_auth_file in crio.conf to a file with an entry for ${host}.`,
  ];
}
