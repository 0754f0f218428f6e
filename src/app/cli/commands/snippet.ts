import type { CommandSpec } from '../spec.ts';

export const snippet: readonly CommandSpec[] = (
  [
    ['containerd', 'Print the files that make containerd pull through this registry'],
    ['podman', 'Print the file that makes podman, buildah, skopeo and CRI-O pull through this registry'],
    ['docker', 'Print the settings that make docker mirror Docker Hub here'],
    ['k8s', 'Print what a Kubernetes cluster needs to pull through this registry'],
  ] as const
).map(([client, summary]) => ({
  path: ['snippet', client],
  summary,
  options: [{ flags: '--namespace <name>', summary: 'one proxy namespace; default: all' }],
  shares: ['config', 'output'],
  examples: [`entrepot snippet ${client}`, `entrepot snippet ${client} --namespace hub -o json`],
  load: async () => (await import('./snippet-run.ts')).snippetRun(client),
}));
