import type { CommandSpec } from '../spec.ts';

const UNTAGGED = { flags: '--untagged', summary: 'manifests without a tag too, where nothing that is kept needs them' };

/** Commands on this registry's own state, and the ones that run it. */
export const work: readonly CommandSpec[] = [
  {
    path: ['mirror', 'apply'],
    summary: 'Copy what the mirrors of the configuration say; what is there already is left alone',
    arguments: [{ name: '[name...]', summary: 'mirrors by name; default: all' }],
    options: [
      { flags: '--audit', summary: 'look at the destinations too, instead of believing what earlier runs noted' },
    ],
    shares: ['config', 'output', 'progress', 'confirm'],
    examples: ['entrepot mirror apply', 'entrepot mirror apply base-images --yes --progress plain'],
    load: async () => (await import('./mirror-run.ts')).apply,
  },
  {
    path: ['gc', 'plan'],
    summary: 'Show what gc would remove',
    options: [UNTAGGED],
    shares: ['config', 'output'],
    examples: ['entrepot gc plan'],
    load: async () => (await import('./storage-run.ts')).gcPlan,
  },
  {
    path: ['gc', 'run'],
    summary: 'Remove content that nothing refers to; pushes and pulls go on',
    options: [UNTAGGED],
    shares: ['config', 'output'],
    examples: ['entrepot gc run'],
    load: async () => (await import('./storage-run.ts')).gcRun,
  },
  {
    path: ['scrub'],
    summary: 'Read everything again and set aside what is damaged',
    shares: ['config', 'output', 'progress'],
    examples: ['entrepot scrub', 'entrepot scrub -o json'],
    load: async () => (await import('./storage-run.ts')).scrub,
  },
];

export const run: readonly CommandSpec[] = [
  {
    path: ['serve'],
    summary: 'Serve the registry of the configuration',
    options: [
      { flags: '--listen <address>', summary: 'address and port, over the configuration’s' },
      { flags: '--storage <folder>', summary: 'data folder, over the configuration’s' },
    ],
    shares: ['config'],
    examples: [
      'entrepot serve',
      'entrepot serve --config /etc/entrepot/entrepot.yaml',
      'entrepot serve --listen 127.0.0.1:7000',
    ],
    load: async () => (await import('./serve-run.ts')).serve,
  },
  {
    path: ['start'],
    summary: 'Serve the configuration; without one, show what entrepot does with a sample image',
    shares: ['config', 'progress'],
    examples: ['entrepot start'],
    load: async () => (await import('./start-run.ts')).start,
  },
  {
    path: ['init'],
    summary: 'Write a commented entrepot.yaml',
    options: [
      { flags: '--force', summary: 'replace a file that is there' },
      { flags: '--no-input', summary: 'ask nothing' },
    ],
    shares: [],
    examples: ['entrepot init', 'entrepot init --no-input'],
    load: async () => (await import('./init-run.ts')).init,
  },
  {
    path: ['status'],
    summary: 'Show how this registry is doing',
    shares: ['config', 'output'],
    examples: ['entrepot status', 'entrepot status -o json'],
    load: async () => (await import('./storage-run.ts')).status,
  },
];
