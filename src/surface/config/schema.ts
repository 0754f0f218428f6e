import { z } from 'zod';
import { durationText, path, sizeText, text, texts } from './field.ts';
import { namespace } from './namespace.ts';

/**
 * The configuration file: the only description of it. Types, the JSON Schema, the reference page
 * and the checks are made from this. Texts are what an editor shows at the key.
 */
const server = z.strictObject({
  listen: text()
    .default('127.0.0.1:5000')
    .meta({
      description: 'Address and port to serve on. Off loopback needs tls (or insecure) and access rules.',
      examples: ['127.0.0.1:5000', '0.0.0.0:443', '[::1]:5000'],
    }),
  url: text()
    .optional()
    .meta({
      description: 'What clients use to reach this server. Default: made from listen.',
      examples: ['https://registry.example.com'],
    }),
  tls: z
    .strictObject({ cert: path('Certificate chain, PEM.'), key: path('Private key, PEM.') })
    .optional()
    .meta({ description: 'HTTPS. The files are read again when they change.' }),
  insecure: z.boolean().default(false).meta({ description: 'Serve plain HTTP off loopback.' }),
});

const storage = z.strictObject({
  path: text().default('./data').meta({
    description: 'Folder of blobs and catalog. One process owns it at a time. Relative to this file.',
  }),
  gcGrace: durationText()
    .default('24h')
    .meta({
      description: 'How long content that nothing refers to stays before gc removes it.',
      examples: ['24h', '30m'],
    }),
  uploadsExpire: durationText().default('7d').meta({
    description: 'How long an unfinished upload may rest before it is dropped.',
  }),
});

const secretFile = (what: string) => path(`File that holds the ${what}.`).optional();
const secretEnv = (what: string) =>
  text()
    .optional()
    .meta({ description: `Environment variable that holds the ${what}.` });

const credential = z.strictObject({
  repositories: z
    .array(text())
    .min(1)
    .optional()
    .meta({
      description: 'Repositories at that host that it is for, as globs. Default: all.',
      examples: [['vendor/**']],
    }),
  username: text().optional().meta({ description: 'Account name.' }),
  passwordFile: secretFile('password'),
  passwordEnv: secretEnv('password'),
  identityTokenFile: secretFile('identity (refresh) token'),
  identityTokenEnv: secretEnv('identity (refresh) token'),
  registryTokenFile: secretFile('bearer token sent as it is'),
  registryTokenEnv: secretEnv('bearer token sent as it is'),
});

/** As many as the layers of some images at once; upstreams limit the connections of one client. */
const CONNECTIONS = 32;

const limits = z.strictObject({
  connections: z.int().min(1).max(1000).default(CONNECTIONS).meta({
    description: 'Transfers from there at once, of all namespaces together; others wait their turn.',
  }),
  bytesPerSecond: sizeText()
    .optional()
    .meta({ description: 'Bytes a second from there at most. Default: no bound.', examples: ['100MB', '12.5MiB'] }),
  reserve: z.int().min(0).default(0).meta({
    description:
      'Of the pulls that it allows us, so many are kept back: below it only what is here, or free to ask, is served.',
  }),
});

const registry = z.strictObject({
  credentials: z
    .union([credential, z.array(credential).min(1)])
    .optional()
    .meta({
      description:
        'How to sign in; of a list, the first whose `repositories` fit. Where none does: what docker and podman have stored for the host. Several without `repositories`: pulls through a proxy namespace are spread over them, all else uses the first.',
    }),
  url: text()
    .optional()
    .meta({ description: 'Address when it differs from the name.', examples: ['http://127.0.0.1:7000'] }),
  insecure: z.boolean().optional().meta({ description: 'Plain HTTP. Default: only on loopback.' }),
  ca: path('Certificates to trust for this host, PEM, besides those that the system trusts.').optional(),
  proxyUrl: text()
    .optional()
    .meta({ description: 'HTTP proxy for this host. Default: HTTPS_PROXY, unless NO_PROXY names the host.' }),
  trustedHosts: texts().meta({
    description:
      'Hosts this one may send us to although they are not of its site, or have private addresses: its token server (which sees the credentials), its storage.',
    examples: [['auth.internal', 'minio.internal:9000']],
  }),
  limits: limits.prefault({}).meta({ description: 'What proxy namespaces may take from there.' }),
});

const anonymousRule = z.strictObject({
  repositories: z
    .array(text())
    .min(1)
    .meta({ description: 'Globs of repository names: * stops at /, ** does not.', examples: [['hub/**']] }),
  actions: z
    .array(z.enum(['pull', 'push', 'delete']))
    .min(1)
    .meta({ description: 'What anybody may do there.' }),
});

const access = z.strictObject({
  anonymous: z
    .array(anonymousRule)
    .default([])
    .meta({ description: 'What callers without credentials may do. Nothing else is allowed.' }),
});

const tagRules = z.strictObject({
  include: z.array(text()).default([]).meta({
    description: 'Tags by exact name, glob, `semver` (any version) or `semver:RANGE`. Without include and semver: all.',
  }),
  exclude: z.array(text()).default([]).meta({ description: 'Tags left out, whatever selects them.' }),
  semver: text()
    .optional()
    .meta({
      description: 'Tags that are versions in this range, besides those of include.',
      examples: ['>=1.20', '^2.1 || ^3'],
    }),
});

const mirror = z.strictObject({
  source: text().meta({ description: 'Registry, or registry/namespace, to read.', examples: ['quay.io/vendor'] }),
  repositories: z.array(text()).min(1).meta({
    description: 'Repositories below source, by name or glob (a glob needs a source that lists its catalog).',
  }),
  tags: z
    .union([z.array(text()).min(1), tagRules])
    .optional()
    .meta({ description: 'Which tags: a list of names and globs, or include/exclude/semver. Default: all.' }),
  rewrite: text().default('{path}').meta({
    description: 'Name at a destination, below it: {path} is the path below source, {name} its last part.',
  }),
  platforms: z
    .array(text())
    .min(1)
    .optional()
    .meta({
      description: 'Platforms to copy. The index and its digest stay as they are. Default: all.',
      examples: [['linux/amd64', 'linux/arm64']],
    }),
  destinations: z
    .array(text())
    .min(1)
    .meta({
      description: 'Where to: a namespace of this file, or host/namespace elsewhere.',
      examples: [['team', 'registry.internal:5001/vendor']],
    }),
});

const log = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'Least level that is written.' }),
  format: z
    .enum(['auto', 'json', 'text'])
    .default('auto')
    .meta({ description: 'auto: text on a terminal, JSON lines elsewhere.' }),
  requests: z.boolean().default(true).meta({ description: 'One line for each request to the registry.' }),
});

export const configSchema = z.strictObject({
  version: z.literal(1).meta({ description: 'Version of this file’s form.' }),
  server: server.prefault({}).meta({ description: 'Where this registry is served.' }),
  storage: storage.prefault({}).meta({ description: 'Where content is kept.' }),
  registries: z
    .record(text(), registry)
    .default({})
    .meta({ description: 'Hosts outside, by name: how we reach them. Others are reached over HTTPS.' }),
  namespaces: z.record(text(), namespace).optional().meta({
    description: 'First part(s) of the names clients see; the longest wins. Without it every name is hosted.',
  }),
  access: access.optional().meta({
    description: 'Who may what. Without it, on loopback only: anybody may pull, push and delete.',
  }),
  mirrors: z.record(text(), mirror).default({}).meta({ description: 'What to copy from where to where.' }),
  log: log.prefault({}).meta({ description: 'The server’s log, on standard output.' }),
});

/** The file with every default filled in; paths are absolute once `loadConfig` has made it. */
export type Config = z.output<typeof configSchema>;
export type CredentialConfig = z.output<typeof credential>;
export type RegistryConfig = z.output<typeof registry>;
export type RegistryLimits = z.output<typeof limits>;
export type MirrorConfig = z.output<typeof mirror>;
export type AnonymousRule = z.output<typeof anonymousRule>;

/** Of hosts that the file says nothing about. */
export function defaultLimits(): RegistryLimits {
  return limits.parse({}, { jitless: true });
}
