import { DOCKER_HUB } from '#core/oci';
import { type ClientSide, commonNotes, type Mirrored, type Snippet } from './client-side.ts';
import { containerdCredentials, containerdSnippet } from './containerd.ts';

/** Two ways: the nodes' files, or names of this registry in the manifests, for which pull secrets work. */
export function kubernetesSnippet(side: ClientSide, isWhole: boolean): Snippet {
  const { files } = containerdSnippet(side, isWhole);
  return {
    client: 'k8s',
    files: [...files, { path: 'kustomization.yaml', text: kustomization(side) }],
    notes: [
      'One of two ways. Nodes: put the files under /etc/containerd on every node by what makes your nodes (the machine image, cloud-init, a node pool’s bootstrap, Talos or k3s settings), not by a pod: a new node pulls before its pods run. Names in manifests stay as they are. Nodes with CRI-O: entrepot snippet podman.',
      `Names: rewrite them where you build your manifests, as kustomization.yaml shows. Then a pull secret for ${side.host} is sent, as for any registry: kubectl create secret docker-registry entrepot --docker-server=${side.host} …, named in imagePullSecrets of the service account.`,
      ...containerdCredentials(side),
      ...commonNotes(side),
    ],
  };
}

function kustomization({ host, mirrored }: ClientSide): string {
  const lines = mirrored.flatMap((one) => [
    `  - name: ${exampleOf(one)}`,
    `    newName: ${host}/${one.namespace}/${one.host === DOCKER_HUB ? 'library/redis' : 'app'}`,
  ]);
  return `images: # one entry for each image; the tag or digest stays\n${lines.join('\n')}\n`;
}

/** As manifests write it: of Docker Hub's own images the last part alone. */
function exampleOf({ host, prefix }: Mirrored): string {
  if (host === DOCKER_HUB && prefix === '') return 'redis';
  return [host, prefix, 'app'].filter((part) => part !== '').join('/');
}
