import { expect } from 'bun:test';
import { join } from 'node:path';
import { layoutBlob, layoutDigests, writeLayout } from '../harness/layout.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

testWith(['skopeo'], 'skopeo copies both ways, inspects, syncs, lists and deletes', {
  body: (programs) =>
    withRegistry('skopeo', async ({ server, folder, image }) => {
      const skopeo = (...args: string[]) => run([programs('skopeo'), '--insecure-policy', ...args], { cwd: folder });
      writeLayout(join(folder, 'in'), 'v1', image);
      const ref = `docker://${server.host}/team/app`;

      await skopeo('copy', '--preserve-digests', '--dest-tls-verify=false', 'oci:in:v1', `${ref}:v1`);
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);

      const inspected = await skopeo('inspect', '--tls-verify=false', `${ref}:v1`);
      expect(JSON.parse(inspected.stdout)).toMatchObject({ Digest: image.digest, RepoTags: ['v1'] });

      await skopeo('copy', '--preserve-digests', '--src-tls-verify=false', `${ref}:v1`, 'oci:out:v1');
      expect(layoutDigests(join(folder, 'out'))).toEqual([image.digest]);
      for (const layer of image.layers) layoutBlob(join(folder, 'out'), layer.digest);

      const sync = [
        'sync',
        '--all',
        '--src',
        'docker',
        '--dest',
        'docker',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
      ];
      await skopeo(...sync, `${server.host}/team/app`, `${server.host}/synced`);
      expect(await verifyClosure(server.host, 'synced/app', 'v1')).toBe(image.digest);

      const tags = await skopeo('list-tags', '--tls-verify=false', `docker://${server.host}/synced/app`);
      expect(JSON.parse(tags.stdout).Tags).toEqual(['v1']);
      await skopeo('delete', '--tls-verify=false', `docker://${server.host}/synced/app:v1`);
      const gone = await fetch(`http://${server.host}/v2/synced/app/manifests/v1`);
      expect(gone.status).toBe(404);
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);
    }),
});
