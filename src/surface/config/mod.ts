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
export { type ConfigProblem, formatProblem, nearest } from './problem.ts';
export { configReference } from './reference.ts';
export type {
  AnonymousRule,
  Config,
  CredentialConfig,
  MirrorConfig,
  NamespaceConfig,
  RegistryConfig,
} from './schema.ts';
export { looksLikeHost } from './semantic.ts';
