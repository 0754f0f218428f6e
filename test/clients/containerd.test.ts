import { expect } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startContainerd } from '../harness/containerd.ts';
import { testWith } from '../harness/need.ts';
import { pushImage } from '../harness/push.ts';
import { verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

testWith(['containerd', 'ctr'], 'containerd pulls and pushes', {
  root: true,
  body: () =>
    withRegistry('containerd', async ({ server, folder, image }) => {
      await pushImage(server.host, 'team/app', { image, tags: ['v1'] });
      const home = join(folder, 'containerd');
      mkdirSync(home);
      const containerd = await startContainerd(home, server.host);
      try {
        const { ctr, hosts } = containerd;
        const ref = `${server.host}/team/app:v1`;
        await ctr('images', 'pull', ...hosts, '--snapshotter', 'native', ref);
        expect((await ctr('images', 'ls')).stdout).toContain(image.digest);
        const content = (await ctr('content', 'ls', '-q')).stdout.trim().split('\n');
        for (const layer of image.layers) expect(content).toContain(layer.digest);

        await ctr('images', 'tag', ref, `${server.host}/other/pushed:v2`);
        await ctr('images', 'push', ...hosts, `${server.host}/other/pushed:v2`);
        expect(await verifyClosure(server.host, 'other/pushed', 'v2')).toBe(image.digest);
      } finally {
        await containerd.stop();
      }
    }),
});
