import { expect } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLayout } from '../harness/layout.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { readManifest, verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

type Tree = { digest: string; referrers?: { digest: string; artifactType: string; referrers?: unknown[] }[] };

testWith(['oras'], 'oras pushes, pulls, attaches, discovers, copies with referrers and deletes', {
  body: (programs) =>
    withRegistry('oras', async ({ server, folder, image }) => {
      const oras = (...args: string[]) => run([programs('oras'), ...args], { cwd: folder });
      const ref = `${server.host}/team/notes`;
      writeFileSync(join(folder, 'note.txt'), 'hello');
      writeFileSync(join(folder, 'sbom.json'), '{"sbom":true}');

      await oras(
        'push',
        '--plain-http',
        '--artifact-type',
        'application/vnd.example.note',
        `${ref}:v1,v1.0`,
        'note.txt',
      );
      mkdirSync(join(folder, 'out'));
      await oras('pull', '--plain-http', '-o', 'out', `${ref}:v1.0`);
      expect(readFileSync(join(folder, 'out/note.txt'), 'utf8')).toBe('hello');

      writeLayout(join(folder, 'in'), 'v1', image);
      await oras('cp', '--from-oci-layout', '--to-plain-http', 'in:v1', `${server.host}/team/app:v1`);
      expect(await verifyClosure(server.host, 'team/app', 'v1')).toBe(image.digest);
      const attach = ['attach', '--plain-http', '--artifact-type', 'application/vnd.example.sbom'];
      await oras(...attach, `${server.host}/team/app:v1`, 'sbom.json');
      const sbom = (await discover(oras, `${server.host}/team/app:v1`)).referrers?.[0];
      expect(sbom?.artifactType).toBe('application/vnd.example.sbom');
      await oras(
        'attach',
        '--plain-http',
        '--artifact-type',
        'application/vnd.example.of-the-sbom',
        `${server.host}/team/app@${sbom?.digest}`,
        'note.txt',
      );

      const cp = ['cp', '-r', '--from-plain-http', '--to-plain-http'];
      await oras(...cp, `${server.host}/team/app:v1`, `${server.host}/other/app:v1`);
      const copied = await discover(oras, `${server.host}/other/app:v1`);
      expect(copied.digest).toBe(image.digest);
      expect(copied.referrers?.map((each) => each.digest)).toEqual([sbom?.digest ?? '']);
      expect(copied.referrers?.[0]?.referrers?.length).toBe(1);
      expect((await readManifest(server.host, 'other/app', sbom?.digest ?? '')).manifest.subject?.digest).toBe(
        image.digest,
      );

      expect((await oras('repo', 'tags', '--plain-http', ref)).stdout.trim().split('\n')).toEqual(['v1', 'v1.0']);
      await oras('manifest', 'delete', '-f', '--plain-http', `${ref}:v1`);
      const gone = await oras('resolve', '--plain-http', `${ref}:v1.0`).catch((error: Error) => error.message);
      expect(gone).toContain('not found');
    }),
});

async function discover(oras: (...args: string[]) => Promise<{ stdout: string }>, ref: string): Promise<Tree> {
  return JSON.parse((await oras('discover', '--plain-http', '--format', 'json', ref)).stdout);
}
