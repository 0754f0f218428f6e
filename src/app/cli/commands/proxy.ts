import type { CommandSpec } from '../spec.ts';

/** Commands on namespaces and on the registries that they read. */
export const proxy: readonly CommandSpec[] = [
  {
    path: ['namespace', 'list'],
    summary: 'List the namespaces and what is behind them',
    shares: ['config', 'output'],
    examples: ['entrepot namespace list', 'entrepot namespace list -o json'],
    load: async () => (await import('./namespace-run.ts')).list,
  },
  {
    path: ['namespace', 'show'],
    summary: 'Show a namespace: rules, what it keeps, and of a proxy what it saved',
    arguments: [{ name: '<name>', summary: 'a namespace of the configuration' }],
    shares: ['config', 'output'],
    examples: ['entrepot namespace show hub', 'entrepot namespace show hub -o yaml'],
    load: async () => (await import('./namespace-run.ts')).show,
  },
  {
    path: ['upstream', 'list'],
    summary: 'List the registries that proxy namespaces read: whether they answer, and what is left of their quotas',
    shares: ['config', 'output'],
    examples: ['entrepot upstream list', 'entrepot upstream list -o json'],
    load: async () => (await import('./upstream-run.ts')).list,
  },
  {
    path: ['upstream', 'test'],
    summary:
      'Go the way of a pull step by step: name, connection, TLS, registry, token, repository, quota; each with its fix',
    arguments: [
      {
        name: '<place>',
        summary: 'a host, or with a repository whether it could be pulled: docker.io/library/redis:7',
      },
    ],
    shares: ['config', 'output'],
    examples: ['entrepot upstream test docker.io', 'entrepot upstream test docker.io/library/redis:7 -o json'],
    load: async () => (await import('./upstream-test-run.ts')).test,
  },
];
