export { tryParseDuration } from './duration.ts';
export { CONFIG_VARIABLES, type ConfigMachine, findConfig, overridesFromEnv } from './find.ts';
export { configJsonSchema } from './json-schema.ts';
export { formatListen, isLoopback, type ListenAddress, tryParseListen } from './listen.ts';
export {
  type ConfigResult,
  type ConfigSource,
  configInvalid,
  type EffectiveEntry,
  type Override,
  readConfig,
  requireConfig,
} from './load.ts';
export {
  listOf,
  type MemberConfig,
  memberOf,
  type NamespaceConfig,
  namespaceOf,
  type ProxyConfig,
  type VirtualConfig,
} from './namespace.ts';
export { type ConfigProblem, formatProblem, nearest } from './problem.ts';
export { configReference } from './reference.ts';
export type {
  AnonymousRule,
  Config,
  CredentialConfig,
  MirrorConfig,
  RegistryConfig,
  RegistryLimits,
} from './schema.ts';
export { defaultLimits } from './schema.ts';
export { looksLikeHost } from './semantic-host.ts';
export { tryParseSize } from './size.ts';
export {
  type KeptImages,
  type NamedImage,
  nameAt,
  parseKept,
  parseNamedImage,
  type UpstreamPlace,
  upstreamPlace,
} from './upstream.ts';
