import { expect } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startContainerd } from '../harness/containerd.ts';
import { type Cosign, makeCosign } from '../harness/cosign.ts';
import { debianLayout, debianPrograms, debianTimeoutMs } from '../harness/debian.ts';
import { program, testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { pushImage } from '../harness/push.ts';
import { readManifest, verifyClosure } from '../harness/read.ts';
import { entrepotProgram, type Server, startDistribution, startEntrepot } from '../harness/servers.ts';
import { smallImage } from '../harness/target.ts';
import { tempFolder } from '../harness/temp.ts';

type Tree = { digest: string; referrers?: { digest: string; artifactType: string }[] };
const sbomType = 'application/spdx+json';

testWith(
  [...debianPrograms, 'registry', 'regctl', 'oras', 'cosign', 'containerd', 'ctr'],
  'a Debian root goes upstream, through a mirror, to containerd: digests equal, signatures and SBOMs follow',
  {
    root: true,
    timeoutMs: debianTimeoutMs,
    body: async () => {
      const temp = tempFolder('debian');
      const upstream = await startDistribution({ folder: join(temp.path, 'upstream') });
      try {
        const cosign = await makeCosign(temp.path);
        const digests = await publish(temp.path, upstream, cosign);
        const ours = await startEntrepot({ folder: join(temp.path, 'ours'), config: mirrorConfig(upstream) });
        try {
          await mirrorAndCheck({ folder: temp.path, upstream, ours, cosign, digests });
        } finally {
          await ours.stop();
        }
      } finally {
        await upstream.stop();
        temp.dispose();
      }
    },
  },
);

type Digests = { readonly index: string; readonly amd64: string };

/** What a vendor does: two platforms under one index, an SBOM, signatures of both kinds, an attestation. */
async function publish(folder: string, upstream: Server, cosign: Cosign): Promise<Digests> {
  const layout = await debianLayout();
  const env = { REGCTL_CONFIG: join(folder, 'regctl.json') };
  const regctl = (...args: string[]) => run([program('regctl'), ...args], { cwd: folder, env });
  await regctl('registry', 'set', '--tls', 'disabled', upstream.host);
  const repository = `${upstream.host}/vendor/debian`;
  await regctl('image', 'copy', `ocidir://${layout}:amd64`, `${repository}:12-amd64`);
  const arm = await smallImage('debian-arm64');
  await pushImage(upstream.host, 'vendor/debian', { image: arm, tags: ['12-arm64'] });
  await regctl('index', 'create', '--ref', `${repository}:12-amd64`, `${repository}:12`);
  await regctl('index', 'add', '--digest', arm.digest, '--desc-platform', 'linux/arm64', `${repository}:12`);

  const index = await readManifest(upstream.host, 'vendor/debian', '12');
  expect(index.manifest.manifests?.length).toBe(2);
  const amd64 = index.manifest.manifests?.[0]?.digest ?? '';
  writeFileSync(join(folder, 'sbom.spdx.json'), JSON.stringify({ spdxVersion: 'SPDX-2.3', name: 'debian' }));
  const attach = ['attach', '--plain-http', '--artifact-type', sbomType, `${repository}@${amd64}`, 'sbom.spdx.json'];
  await run([program('oras'), ...attach], { cwd: folder });
  for (const form of ['bundle', 'tags'] as const) await cosign.sign(form, `${repository}@${index.digest}`);
  await cosign.attest('bundle', `${repository}@${index.digest}`);
  return { index: index.digest, amd64 };
}

function mirrorConfig(upstream: Server): string {
  return `registries: { "${upstream.host}": { insecure: true } }
namespaces: { mirror: { type: hosted } }
mirrors:
  base:
    source: ${upstream.host}/vendor
    repositories: [debian]
    tags: ["12"]
    destinations: [mirror]
`;
}

type Journey = {
  readonly folder: string;
  readonly upstream: Server;
  readonly ours: Server;
  readonly cosign: Cosign;
  readonly digests: Digests;
};

async function mirrorAndCheck({ folder, upstream, ours, cosign, digests }: Journey): Promise<void> {
  await run([entrepotProgram(), 'mirror', 'apply', '--yes', '--config', ours.config]);
  expect(await verifyClosure(upstream.host, 'vendor/debian', '12')).toBe(digests.index);
  expect(await verifyClosure(ours.host, 'mirror/debian', '12')).toBe(digests.index);

  const home = join(folder, 'containerd');
  mkdirSync(home);
  const containerd = await startContainerd(home, ours.host);
  try {
    const pull = ['images', 'pull', ...containerd.hosts, '--snapshotter', 'native', '--platform', 'linux/amd64'];
    await containerd.ctr(...pull, `${ours.host}/mirror/debian:12`);
    expect((await containerd.ctr('images', 'ls')).stdout).toContain(digests.index);
    expect((await containerd.ctr('content', 'ls', '-q')).stdout).toContain(digests.amd64);
  } finally {
    await containerd.stop();
  }

  const mirrored = `${ours.host}/mirror/debian`;
  for (const form of ['bundle', 'tags'] as const) await cosign.verify(form, `${mirrored}@${digests.index}`);
  await cosign.verifyAttestation('bundle', `${mirrored}@${digests.index}`);
  const discover = ['discover', '--plain-http', '--format', 'json', `${mirrored}@${digests.amd64}`];
  const tree: Tree = JSON.parse((await run([program('oras'), ...discover])).stdout);
  expect(tree.referrers?.map((each) => each.artifactType)).toEqual([sbomType]);
}
