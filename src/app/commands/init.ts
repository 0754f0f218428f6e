import { formatReference, parseReference } from '#core/oci';

export type InitAnswers = {
  readonly listen: string;
  readonly storage: string;
  /** A repository to mirror, as docker would name it. */
  readonly source?: string;
  /** Path of the JSON Schema beside the file. */
  readonly schema: string;
};

/** A first configuration that explains itself. Throws REQUEST_INVALID, NAME_INVALID. */
export function initialConfig({ listen, storage, source, schema }: InitAnswers): string {
  return `# yaml-language-server: $schema=${schema}
# $schema: ${schema}
version: 1

server:
  listen: ${JSON.stringify(listen)}   # other machines reach it only with tls and access rules

storage:
  path: ${JSON.stringify(storage)}   # relative to this file

# The first part of every name that clients use here.
namespaces:
  team:
    type: hosted
    immutableTags: [semver]   # 1.2.3 never moves once it is set; latest does
  # hub:                      # Docker Hub through here: streamed at once, kept, served on when it is down
  #   type: proxy
  #   upstream: docker.io

# Hosts outside. Without an entry: HTTPS, and the credentials that docker has.
# registries:
#   quay.io:
#     credentials: { username: robot, passwordFile: ./secrets/quay }
#   registry.internal:5001:
#     ca: ./internal-ca.pem

${source === undefined ? EXAMPLE_MIRROR : mirrorOf(source)}`;
}

const EXAMPLE_MIRROR = `# What to copy here (or elsewhere), byte for byte, with signatures and all that is attached.
# mirrors:
#   base-images:
#     source: quay.io/vendor
#     repositories: [nginx, "python*"]
#     tags: { semver: ">=1.20", exclude: ["*-rc*"] }
#     destinations: [team]
`;

function mirrorOf(source: string): string {
  const { host, repository, tag } = parseReference(source);
  const parts = repository.split('/');
  const name = parts.at(-1) ?? repository;
  const parent = formatReference({ host, repository }).slice(0, -name.length - 1);
  return `# What to copy here (or elsewhere), byte for byte, with signatures and all that is attached.
mirrors:
  ${name}:
    source: ${parent}
    repositories: [${JSON.stringify(name)}]
    tags: [${JSON.stringify(tag ?? 'latest')}]   # names and globs, or { semver: ">=1.20", exclude: ["*-rc*"] }
    destinations: [team]
`;
}
