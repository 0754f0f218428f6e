import { expect } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { pushImage } from '../harness/push.ts';
import { verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

/** Storage of its own, plain copies instead of overlays: nothing of the machine's own images is touched. */
function storage(folder: string): { flags: string[]; env: Record<string, string> } {
  const policy = join(folder, 'policy.json');
  writeFileSync(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const registries = join(folder, 'registries.conf');
  writeFileSync(registries, '');
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  return {
    flags: ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'],
    env: { CONTAINERS_REGISTRIES_CONF: registries, TMPDIR: join(folder, 'tmp') },
  };
}

testWith(['podman'], 'podman pulls and pushes', {
  root: true,
  body: (programs) =>
    withRegistry('podman', async ({ server, folder, image }) => {
      const { flags, env } = storage(folder);
      const podman = (...args: string[]) => run([programs('podman'), ...flags, ...args], { cwd: folder, env });
      const ref = `${server.host}/team/app`;
      await pushImage(server.host, 'team/app', { image, tags: ['v1'] });

      await podman('pull', '--tls-verify=false', `${ref}:v1`);
      const [pulled] = JSON.parse((await podman('image', 'inspect', `${ref}:v1`)).stdout);
      expect(pulled.RepoDigests).toContain(`${ref}@${image.digest}`);

      await podman('tag', `${ref}:v1`, `${ref}:v2`);
      await podman('push', '--tls-verify=false', '--digestfile', 'digest', `${ref}:v2`);
      const pushed = await Bun.file(join(folder, 'digest')).text();
      expect(await verifyClosure(server.host, 'team/app', 'v2')).toBe(pushed.trim());
      await podman('rmi', '--all', '--force');
      await podman('pull', '--tls-verify=false', `${ref}@${pushed.trim()}`);
    }),
});

testWith(['buildah'], 'buildah commits an image, pushes it and starts from it again', {
  root: true,
  body: (programs) =>
    withRegistry('buildah', async ({ server, folder }) => {
      const { flags, env } = storage(folder);
      const buildah = (...args: string[]) => run([programs('buildah'), ...flags, ...args], { cwd: folder, env });
      writeFileSync(join(folder, 'hello.txt'), 'hello');
      const container = (await buildah('from', 'scratch')).stdout.trim();
      await buildah('copy', container, 'hello.txt', '/hello.txt');
      await buildah('commit', container, 'built');
      await buildah(
        'push',
        '--tls-verify=false',
        '--digestfile',
        'digest',
        'built',
        `docker://${server.host}/team/built:v1`,
      );
      const pushed = (await Bun.file(join(folder, 'digest')).text()).trim();
      expect(await verifyClosure(server.host, 'team/built', 'v1')).toBe(pushed);

      const again = await buildah(
        'from',
        '--tls-verify=false',
        '--pull-always',
        `docker://${server.host}/team/built:v1`,
      );
      const mounted = (await buildah('mount', again.stdout.trim())).stdout.trim();
      expect(await Bun.file(join(mounted, 'hello.txt')).text()).toBe('hello');
      await buildah('umount', '--all');
    }),
});
