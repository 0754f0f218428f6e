import type { CommandSpec } from '../spec.ts';

export const config: readonly CommandSpec[] = [
  {
    path: ['config', 'check'],
    summary: 'Check the configuration and name every mistake by line and column',
    shares: ['config', 'output'],
    examples: ['entrepot config check', 'entrepot config check --config staging.yaml -o json'],
    load: async () => (await import('./config-run.ts')).check,
  },
  {
    path: ['config', 'show'],
    summary: 'Show every value in force and where it came from',
    shares: ['config', 'output'],
    examples: ['entrepot config show', 'ENTREPOT_SERVER_LISTEN=127.0.0.1:7000 entrepot config show'],
    load: async () => (await import('./config-run.ts')).show,
  },
  {
    path: ['config', 'schema'],
    summary: 'Print the JSON Schema of the configuration file',
    shares: [],
    examples: ['entrepot config schema > entrepot.v1.json'],
    load: async () => (await import('./config-run.ts')).schema,
  },
];
