import { expect } from 'bun:test';
import { join } from 'node:path';
import { layoutBlob, layoutDigests, writeLayout } from '../harness/layout.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { listTags, verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

testWith(['regctl'], 'regctl copies both ways, attaches, lists and deletes', {
  body: (programs) =>
    withRegistry('regctl', async ({ server, folder, image }) => {
      const env = { REGCTL_CONFIG: join(folder, 'regctl.json') };
      const regctl = (args: string[], stdin = '') => run([programs('regctl'), ...args], { cwd: folder, env, stdin });
      await regctl(['registry', 'set', '--tls', 'disabled', server.host]);
      writeLayout(join(folder, 'in'), 'v1', image);
      const ref = `${server.host}/team/app`;

      await regctl(['image', 'copy', 'ocidir://in:v1', `${ref}:v1`]);
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);
      expect((await regctl(['image', 'digest', `${ref}:v1`])).stdout.trim()).toBe(image.digest);

      const put = ['artifact', 'put', '--artifact-type', 'application/vnd.example.note', '--subject', `${ref}:v1`];
      await regctl(put, 'a note');
      const list = ['artifact', 'list', '--format', '{{range .Descriptors}}{{.ArtifactType}}{{end}}', `${ref}:v1`];
      expect((await regctl(list)).stdout).toBe('application/vnd.example.note');

      await regctl(['image', 'copy', '--referrers', `${ref}:v1`, 'ocidir://out:v1']);
      expect(layoutDigests(join(folder, 'out'))).toContain(image.digest);
      for (const layer of image.layers) layoutBlob(join(folder, 'out'), layer.digest);

      await regctl(['image', 'copy', `${ref}:v1`, `${ref}:v2`]);
      expect((await regctl(['tag', 'ls', ref])).stdout).toContain('v2');
      expect((await regctl(['repo', 'ls', server.host])).stdout.trim()).toBe('team/app');
      await regctl(['tag', 'delete', `${ref}:v2`]);
      expect(await listTags(server.host, 'team/app')).not.toContain('v2');
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);
    }),
});
