import { expect } from 'bun:test';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startContainerd } from '../harness/containerd.ts';
import { layoutBlob, layoutDigests } from '../harness/layout.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { pushImage } from '../harness/push.ts';
import { smallImage } from '../harness/target.ts';
import { writeSnippet } from './snippet.ts';
import { type Stage, withStage } from './stage.ts';

const hub = { upstream: 'entrepot', upstreamName: 'docker.io' } as const;
const vendor = { upstream: 'entrepot', upstreamName: 'vendor.test' } as const;

async function withImage(stage: Stage) {
  const image = await smallImage('client');
  await pushImage(stage.upstream.host, 'library/app', { image, tags: ['1.0'] });
  stage.proxy.reset();
  return image;
}

/** Pulls with what `entrepot snippet containerd` printed, or the part of it that `keep` leaves. */
async function containerdPull(stage: Stage, ref: string, keep: 'all' | '_default'): Promise<void> {
  const image = await withImage(stage);
  const home = join(stage.folder, 'c');
  mkdirSync(home);
  await writeSnippet(stage.ours, 'containerd', home);
  const certs = join(home, 'etc/containerd/certs.d');
  if (keep === '_default') rmSync(join(certs, ref.split('/')[0] ?? ''), { recursive: true });
  const containerd = await startContainerd(home, 'unused.test');
  try {
    await containerd.ctr('images', 'pull', '--hosts-dir', certs, '--snapshotter', 'native', ref);
    expect((await containerd.ctr('images', 'ls')).stdout).toContain(image.digest);
    const content = (await containerd.ctr('content', 'ls', '-q')).stdout.trim().split('\n');
    for (const layer of image.layers) expect(content).toContain(layer.digest);
  } finally {
    await containerd.stop();
  }
  // The containerd asked ours, by the name of the registry that it believes to talk to.
  expect(stage.ours.log()).toContain('hub/library/app');
  expect(stage.proxy.list().filter((each) => each.startsWith('GET manifest'))).toHaveLength(1);
}

testWith(['containerd', 'ctr'], 'containerd pulls docker.io/library/app through its hosts.toml and ?ns=', {
  root: true,
  body: () => withStage('containerd', hub, (stage) => containerdPull(stage, 'docker.io/library/app:1.0', 'all')),
});

testWith(['containerd', 'ctr'], 'containerd pulls vendor.test/library/app through the _default host', {
  root: true,
  body: () => withStage('default', vendor, (stage) => containerdPull(stage, 'vendor.test/library/app:1.0', '_default')),
});

testWith(['podman'], 'podman pulls docker.io/library/app through registries.conf', {
  root: true,
  body: (programs) =>
    withStage('podman', hub, async (stage) => {
      const image = await withImage(stage);
      const { folder } = stage;
      await writeSnippet(stage.ours, 'podman', folder);
      writeFileSync(join(folder, 'policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
      mkdirSync(join(folder, 'tmp'));
      const env = {
        CONTAINERS_REGISTRIES_CONF: join(folder, 'etc/containers/registries.conf.d/50-entrepot.conf'),
        TMPDIR: join(folder, 'tmp'),
      };
      const flags = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
      const podman = (...args: string[]) => run([programs('podman'), ...flags, ...args], { cwd: folder, env });
      await podman('pull', 'docker.io/library/app:1.0');
      const [pulled] = JSON.parse((await podman('image', 'inspect', 'docker.io/library/app:1.0')).stdout);
      expect(pulled.RepoDigests).toContain(`docker.io/library/app@${image.digest}`);
      expect(stage.proxy.list().filter((each) => each.startsWith('GET manifest'))).toHaveLength(1);
    }),
});

testWith(['skopeo'], 'skopeo inspects, lists and copies through the namespace', {
  body: (programs) =>
    withStage('skopeo', hub, async (stage) => {
      const image = await withImage(stage);
      const skopeo = (...args: string[]) =>
        run([programs('skopeo'), '--insecure-policy', ...args], { cwd: stage.folder });
      // Docker Hub's short form is the same repository.
      const ref = `docker://${stage.ours.host}/hub/app`;
      const inspected = await skopeo('inspect', '--tls-verify=false', `${ref}:1.0`);
      expect(JSON.parse(inspected.stdout)).toMatchObject({ Digest: image.digest, RepoTags: ['1.0'] });
      await skopeo('copy', '--preserve-digests', '--src-tls-verify=false', `${ref}:1.0`, 'oci:out:1.0');
      expect(layoutDigests(join(stage.folder, 'out'))).toEqual([image.digest]);
      for (const layer of image.layers) layoutBlob(join(stage.folder, 'out'), layer.digest);
    }),
});

testWith(['crane'], 'crane pulls, lists and is refused a push', {
  body: (programs) =>
    withStage('crane', hub, async (stage) => {
      const image = await withImage(stage);
      const crane = (...args: string[]) => run([programs('crane'), '--insecure', ...args], { cwd: stage.folder });
      const ref = `${stage.ours.host}/hub/library/app`;
      expect((await crane('digest', `${ref}:1.0`)).stdout.trim()).toBe(image.digest);
      await crane('pull', '--format', 'oci', `${ref}:1.0`, join(stage.folder, 'out'));
      expect(layoutDigests(join(stage.folder, 'out'))).toEqual([image.digest]);
      expect((await crane('ls', ref)).stdout.trim()).toBe('1.0');
      const refused = await crane('tag', `${ref}:1.0`, '2.0').catch((error: Error) => error.message);
      expect(refused).toMatch(/DENIED|UNSUPPORTED|403|405/);
    }),
});
