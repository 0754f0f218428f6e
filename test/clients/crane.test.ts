import { expect } from 'bun:test';
import { join } from 'node:path';
import { layoutBlob, layoutDigests, writeLayout } from '../harness/layout.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

testWith(['crane'], 'crane pushes, pulls, copies, lists and deletes', {
  body: (programs) =>
    withRegistry('crane', async ({ server, folder, image }) => {
      const crane = (...args: string[]) => run([programs('crane'), '--insecure', ...args], { cwd: folder });
      const layout = writeLayout(join(folder, 'in'), 'v1', image);
      const ref = `${server.host}/team/app`;

      await crane('push', layout, `${ref}:v1`);
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);

      await crane('pull', '--format', 'oci', `${ref}:v1`, join(folder, 'out'));
      expect(layoutDigests(join(folder, 'out'))).toEqual([image.digest]);
      for (const layer of image.layers) layoutBlob(join(folder, 'out'), layer.digest);

      await crane('copy', `${ref}:v1`, `${server.host}/other/copy:v2`);
      expect(await verifyClosure(server.host, 'other/copy', 'v2')).toBe(image.digest);
      await crane('tag', `${ref}:v1`, 'v1.0');
      expect((await crane('ls', ref)).stdout.trim().split('\n')).toEqual(['v1', 'v1.0']);
      expect((await crane('catalog', server.host)).stdout.trim().split('\n')).toEqual(['other/copy', 'team/app']);

      await crane('delete', `${ref}@${image.digest}`);
      const gone = await crane('digest', `${ref}:v1`).catch((error: Error) => error.message);
      expect(gone).toContain('404');
      expect(await verifyClosure(server.host, 'other/copy', 'v2')).toBe(image.digest);
    }),
});
