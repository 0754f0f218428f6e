import { expect } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { verifyClosure } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

testWith(['helm'], 'helm pushes, shows and pulls a chart', {
  body: (programs) =>
    withRegistry('helm', async ({ server, folder }) => {
      const env = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
      const helm = (...args: string[]) => run([programs('helm'), ...args], { cwd: folder, env });
      mkdirSync(join(folder, 'hello/templates'), { recursive: true });
      writeFileSync(join(folder, 'hello/Chart.yaml'), 'apiVersion: v2\nname: hello\nversion: 1.2.3\n');
      writeFileSync(join(folder, 'hello/templates/map.yaml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n');
      await helm('package', 'hello');

      const charts = `oci://${server.host}/charts`;
      const pushed = await helm('push', '--plain-http', 'hello-1.2.3.tgz', charts);
      const digest = /sha256:[0-9a-f]{64}/.exec(pushed.stdout + pushed.stderr)?.[0] ?? 'none';
      expect(await verifyClosure(server.host, 'charts/hello', '1.2.3')).toBe(digest);

      expect((await helm('show', 'chart', '--plain-http', `${charts}/hello`)).stdout).toContain('version: 1.2.3');
      mkdirSync(join(folder, 'out'));
      await helm('pull', '--plain-http', '-d', 'out', `${charts}/hello`, '--version', '1.2.3');
      const same = readFileSync(join(folder, 'out/hello-1.2.3.tgz')).equals(
        readFileSync(join(folder, 'hello-1.2.3.tgz')),
      );
      expect(same).toBe(true);
    }),
});
