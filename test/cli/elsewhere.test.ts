import { afterAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shellIn, temporaryFolder } from './fixture.ts';

/** A registry that answers by the first part of a repository's name. */
const answers: Readonly<Record<string, (signedIn: boolean) => Response>> = {
  locked: () => refusal(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' }),
  forbidden: (signedIn) =>
    signedIn ? refusal(403, 'DENIED') : refusal(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' }),
  absent: () => refusal(404, 'NAME_UNKNOWN'),
  busy: () => refusal(429, 'TOOMANYREQUESTS', { 'retry-after': '3600' }),
};

function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ errors: [{ code, message: 'no' }] }, { status, headers });
}

const registry = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => {
    const [, , first = ''] = new URL(request.url).pathname.split('/');
    return answers[first]?.(request.headers.has('authorization')) ?? new Response('?', { status: 400 });
  },
});
const host = `127.0.0.1:${registry.port}`;
const nobody = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
const empty = `127.0.0.1:${nobody.port}`;
nobody.stop(true);

const folder = temporaryFolder();
const shell = shellIn(folder.path);
afterAll(async () => {
  await registry.stop(true);
  folder.remove();
});

const configured = `registries: { "${host}": { credentials: { username: robot, passwordEnv: PASSWORD } } }
mirrors: { all: { source: "${host}/locked", repositories: [app], tags: ["1"], destinations: [team] } }
`;
const env = { PASSWORD: 'wrong' };

describe('a registry elsewhere that refuses: the exit code, and what, why and what to do', () => {
  const cases = [
    {
      name: 'nobody is signed in',
      argv: `image show ${host}/locked/app:1`,
      code: 4,
      says: [
        'answered 401',
        'asked as anonymous for repository:locked/app:pull',
        `set registries."${host}".credentials`,
      ],
    },
    {
      name: 'nobody is signed in, for a copy',
      argv: `image copy ${host}/locked/app:1 team/app:1 --progress none`,
      code: 4,
      says: ['asked as anonymous', `set registries."${host}".credentials`],
    },
    {
      name: 'the password is wrong: who, from where, and what to check',
      config: configured,
      argv: `image show ${host}/locked/app:1`,
      code: 4,
      says: [`asked as "robot" (registries.${host}.credentials)`, 'check that the password or token still holds'],
    },
    {
      name: 'the account may not',
      config: configured,
      argv: `image show ${host}/forbidden/app:1`,
      code: 4,
      says: ['answered 403', 'asked as "robot"', 'give that account the access it lacks'],
    },
    {
      name: 'the variable of the password is not set',
      config: configured,
      env: {},
      argv: `image show ${host}/locked/app:1`,
      code: 4,
      says: ['cannot be read from the variable PASSWORD', 'it is not set'],
    },
    {
      name: 'a mirror all of whose images are refused',
      config: configured,
      argv: 'mirror apply --yes --progress none',
      code: 4,
      says: ['asked as "robot"', 'check that the password or token still holds'],
    },
    {
      name: 'no such repository',
      argv: `tag list ${host}/absent/app`,
      code: 1,
      says: ['answered 404', 'check the name'],
    },
    {
      name: 'too many requests',
      argv: `image show ${host}/busy/app:1`,
      code: 1,
      says: ['answered 429', 'wait 60 min'],
    },
    {
      name: 'nobody listens',
      argv: `image show ${empty}/app:1`,
      code: 1,
      says: [`${empty} could not be reached`, 'nothing listens there', '3 attempts', 'check the name'],
    },
    {
      name: 'nobody listens at the proxy',
      config: `registries: { "registry.test": { proxyUrl: "http://${empty}" } }\n`,
      argv: 'image show registry.test/app:1',
      code: 1,
      says: [`the proxy ${empty} did not reach registry.test`, 'nothing listens there', 'check proxyUrl'],
    },
    {
      name: 'certificates that are not there',
      config: 'registries: { "registry.test": { ca: none.pem } }\n',
      argv: 'image show registry.test/app:1',
      code: 2,
      says: ['none.pem cannot be read', 'name a readable PEM file'],
    },
    {
      name: 'a name that is not here either',
      argv: 'image show team/app:1',
      code: 1,
      says: ['there is no repository team/app', 'entrepot repo list'],
    },
  ];
  for (const { name, config = '', argv, code, says, ...rest } of cases) {
    test(name, async () => {
      writeFileSync(join(folder.path, 'entrepot.yaml'), `version: 1\n${config}`);
      const run = await shell.run(argv, { env: rest.env ?? env });
      for (const text of says) expect(run.stderr).toContain(text);
      expect([run.code, /^error: .+\n {2}(?:why|do) /m.test(run.stderr)]).toEqual([code, true]);
    });
  }
});
