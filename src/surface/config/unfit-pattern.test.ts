import { expect, test } from 'bun:test';
import { formatProblem, readConfig } from './mod.ts';

const cases = [
  {
    name: 'names as they are',
    upstream: 'docker.io',
    keys: 'allow: ["library/*", "**", "acme**"], keep: ["library/redis:V7*"]',
  },
  {
    name: 'one part at Docker Hub',
    upstream: 'docker.io',
    keys: 'deny: [redis], keep: ["redis:7"], neverUpstream: ["acme-*"]',
    problems: [
      'deny[0]: "redis" fits no name: at Docker Hub write library/redis',
      'neverUpstream[0]: "acme-*" fits no name: at Docker Hub write library/acme-* or acme-*/*',
      'keep[0]: "redis:7" fits no name: at Docker Hub write library/redis',
    ],
  },
  { name: 'one part elsewhere', upstream: 'quay.io', keys: 'deny: [redis]' },
  {
    name: 'a host in front',
    upstream: '[mirror.test, quay.io/vendor]',
    keys: 'neverUpstream: ["quay.io/acme/**"]',
    problems: ['neverUpstream[0]: "quay.io/acme/**" fits no name: leave out the host, and write acme/**'],
  },
  {
    name: 'letters that no name has',
    upstream: 'quay.io',
    keys: 'deny: ["Acme/*", "acme/[ab]"], allow: ["/acme"]',
    problems: [
      'allow[0]: "/acme" fits no name: names neither begin nor end with /',
      'deny[0]: "Acme/*" fits no name: names have lower-case letters, digits and . _ - / alone',
      'deny[1]: "acme/[ab]" fits no name: names have lower-case letters, digits and . _ - / alone',
    ],
  },
];

for (const { name, upstream, keys, problems = [] } of cases) {
  test(`patterns of a proxy: ${name}`, () => {
    const text = `version: 1\nnamespaces:\n  hub: { type: proxy, upstream: ${upstream}, ${keys} }\n`;
    const result = readConfig({ text, file: 'e.yaml', folder: '/srv' });
    expect(result.kind).toBe('ok');
    const messages = result.problems.map((problem) => formatProblem(problem).replace(/^e.yaml:3:\d+ {2}/, ''));
    expect(messages).toEqual(problems.map((problem) => `warning: namespaces.hub.${problem}`));
  });
}
