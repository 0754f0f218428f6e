import { describe, expect, test } from 'bun:test';
import { readConfig, requireConfig } from '#surface/config';
import { formatPlace, parsePlace } from './place.ts';

const configOf = (yaml: string) =>
  requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'entrepot.yaml', folder: '/srv' }));
const open = configOf('');
const divided = configOf(
  'server: { url: "https://registry.example.com" }\nnamespaces: { team: { type: hosted }, mirror.test: { type: hosted } }\n',
);
const digest = `sha256:${'a'.repeat(64)}`;

describe('a place', () => {
  const cases = [
    { name: 'a host', text: 'quay.io/vendor/nginx:1.27', config: open, kind: 'host', as: 'quay.io/vendor/nginx:1.27' },
    { name: 'a host with a port', text: 'registry:5001/app', config: open, kind: 'host', as: 'registry:5001/app' },
    { name: 'by digest', text: `quay.io/a@${digest}`, config: open, kind: 'host', as: `quay.io/a@${digest}` },
    { name: 'a digest wins over a tag', text: `a.b/a:1@${digest}`, config: open, kind: 'host', as: `a.b/a@${digest}` },
    {
      name: 'Docker Hub’s own names',
      text: 'docker.io/redis:7',
      config: open,
      kind: 'host',
      as: 'docker.io/library/redis:7',
    },
    { name: 'here, where every name is hosted', text: 'team/app:1', config: open, kind: 'local', as: 'team/app:1' },
    { name: 'here, of one segment', text: 'app', config: open, kind: 'local', as: 'app' },
    {
      name: 'a port of this machine may be another registry',
      text: 'localhost:5000/app:1',
      config: open,
      kind: 'host',
      as: 'localhost:5000/app:1',
    },
    {
      name: 'here, by the URL clients use',
      text: 'registry.example.com/team/app',
      config: divided,
      kind: 'local',
      as: 'team/app',
    },
    { name: 'here, in a namespace', text: 'team/app:1', config: divided, kind: 'local', as: 'team/app:1' },
    {
      name: 'here, in a namespace named like a host',
      text: 'mirror.test/app:1',
      config: divided,
      kind: 'local',
      as: 'mirror.test/app:1',
    },
    { name: 'a folder', text: 'oci:./a.b/out', config: open, kind: 'layout', as: 'oci:./a.b/out' },
    { name: 'a folder and a tag', text: 'oci:out:1.0', config: open, kind: 'layout', as: 'oci:out:1.0' },
    {
      name: 'a file by digest',
      text: `tar:/x/y.tar@${digest}`,
      config: open,
      kind: 'layout',
      as: `tar:/x/y.tar@${digest}`,
    },
    { name: 'a colon in a folder’s name', text: 'oci:a:b/c', config: open, kind: 'layout', as: 'oci:a:b/c' },
  ] as const;
  for (const { name, text, config, kind, as } of cases) {
    test(name, () => {
      const place = parsePlace(text, config);
      expect([place.kind, formatPlace(place)]).toEqual([kind, as]);
    });
  }

  const failures = [
    { name: 'outside the namespaces', text: 'other/app:1', hint: 'for Docker Hub write docker.io/other/app:1' },
    {
      name: 'one segment outside the namespaces',
      text: 'redis:7',
      hint: 'for Docker Hub write docker.io/library/redis:7',
    },
  ];
  for (const { name, text, hint } of failures) {
    test(`is never guessed to be on Docker Hub: ${name}`, () => {
      expect(() => parsePlace(text, divided)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID', hint }));
    });
  }
});
