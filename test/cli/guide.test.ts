import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyClosure } from '../harness/read.ts';
import { ROOT } from './generated.ts';
import { proxyFolder, startUpstream } from './proxy-stage.ts';
import { asDocumented, configOf, stepsOf } from './transcript.ts';

/** What a client does: everything below the tag, checked against its digest. */
async function pull(host: string, image: string): Promise<void> {
  const [repository = '', tag = ''] = image.split(':');
  expect(await verifyClosure(host, repository, tag)).toStartWith('sha256:');
}

/** The guide, step by step, against a registry that stands for Docker Hub. */
describe('docs/guides/proxy.md', () => {
  const guide = readFileSync(join(ROOT, 'docs/guides/proxy.md'), 'utf8');
  let upstream: Awaited<ReturnType<typeof startUpstream>>;
  let folder: ReturnType<typeof proxyFolder>;
  let server: Awaited<ReturnType<typeof folder.serve>>;
  beforeAll(async () => {
    upstream = await startUpstream(['library/redis:7', 'grafana/grafana:12.0.0']);
    folder = proxyFolder(configOf(guide), upstream.host);
    server = await folder.serve();
  });
  afterAll(async () => {
    await server.stop();
    folder.remove();
    await upstream.stop();
  });
  const steps = stepsOf(guide);

  test('has steps', () => expect(steps.length).toBeGreaterThan(5));
  for (const { command, output } of steps) {
    test(command, async () => {
      const [, image] = /^docker pull 127\.0\.0\.1:5000\/(.+)$/.exec(command) ?? [];
      if (image !== undefined) return await pull(server.host, image);
      const argv = command.replace(/^entrepot /, '');
      const { code, stdout, stderr } = await folder.shell.run(argv, { isTerminal: true });
      expect({ code, stdout: asDocumented(stdout, output), stderr }).toEqual({ code: 0, stdout: output, stderr: '' });
    });
  }
});
