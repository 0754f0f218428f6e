import type { CommandSpec } from '../spec.ts';

export const about: readonly CommandSpec[] = [
  {
    path: ['completion'],
    summary: 'Print a shell’s completion script',
    arguments: [{ name: '<shell>', summary: 'bash, zsh or fish' }],
    shares: [],
    examples: [
      'source <(entrepot completion bash)',
      'entrepot completion fish > ~/.config/fish/completions/entrepot.fish',
    ],
    load: async () => (await import('../completion.ts')).completion,
  },
  {
    path: ['version'],
    summary: 'Print the version',
    shares: ['output'],
    examples: ['entrepot version', 'entrepot version -o json'],
    load: async () => (await import('./version.ts')).version,
  },
];
