type Environment = Record<string, string | undefined>;

/** Variables that Bun's `fetch` obeys by itself, NO_PROXY even against a proxy that a request names. */
const PROXY_VARIABLES = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
];

/**
 * The variables of a process as they were, and the process without those that the runtime would obey beside us:
 * which proxy a request takes is decided in one place, for each registry.
 */
export function takeEnvironment(variables: Environment): Readonly<Environment> {
  const taken = { ...variables };
  for (const name of PROXY_VARIABLES) delete variables[name];
  return taken;
}
