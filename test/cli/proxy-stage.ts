import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage, makeLayer } from '../harness/image.ts';
import { pushImage } from '../harness/push.ts';
import { shellIn, temporaryFolder } from './fixture.ts';

const ANY_PORT = { ENTREPOT_SERVER_LISTEN: '127.0.0.1:0' };
const hostOf = (log: string) => /"url":"http:\/\/([^"]+)"/.exec(log)?.[1] ?? '';

/** A registry elsewhere that stands for Docker Hub, with images. */
export async function startUpstream(repositories: readonly string[]) {
  const folder = temporaryFolder();
  const server = await shellIn(folder.path).start('serve', '"serving"', { env: ANY_PORT });
  const host = hostOf(server.stdout());
  const layer = await makeLayer(join(folder.path, 'layers'), { seed: 'proxy-stage', contentBytes: 200_000 });
  for (const name of repositories) {
    const [repository = '', ...tags] = name.split(':');
    await pushImage(host, repository, { image: makeImage([layer], name), tags });
  }
  /** Its log has a line for each request. */
  const requests = () =>
    server
      .stdout()
      .split('\n')
      .filter((line) => line.includes('"message":"request"'))
      .map((line) => JSON.parse(line) as { readonly method: string; readonly path: string });
  const begun = requests().length;
  return {
    host,
    /** Since its images were pushed; `/v2/` and tokens left out. */
    requests: () =>
      requests()
        .slice(begun)
        .map(({ method, path }) => `${method} ${path}`),
    stop: async () => {
      await server.stop();
      folder.remove();
    },
  };
}

/** A folder with a configuration, in which commands are run with or without a server. */
export function proxyFolder(config: string, upstream: string) {
  const folder = temporaryFolder();
  const shell = shellIn(folder.path);
  mkdirSync(folder.path, { recursive: true });
  const registries = `registries: { docker.io: { url: "http://${upstream}", insecure: true } }\n`;
  writeFileSync(join(folder.path, 'entrepot.yaml'), `${config}${registries}`);
  return {
    shell,
    remove: folder.remove,
    async serve() {
      const server = await shell.start('serve', '"serving"', { env: ANY_PORT });
      return { ...server, host: hostOf(server.stdout()) };
    },
  };
}
