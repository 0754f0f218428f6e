import { describe, expect, test } from 'bun:test';
import { RegistryError } from '#core/oci';
import { repo } from '#core/registry/contract';
import { namesIn } from './name.ts';
import { fakeUpstream } from './proxy.fake.ts';

type Row = {
  readonly name: string;
  readonly namespace?: string;
  readonly members: readonly (readonly [host: string, prefix: string])[];
  readonly asked: string;
  /** Here and there, or the code. */
  readonly expected: readonly string[] | string;
};
const HUB = [['docker.io', '']] as const;

const TABLE: readonly Row[] = [
  {
    name: 'Docker Hub, one segment',
    members: HUB,
    asked: 'hub/redis',
    expected: ['hub/library/redis', 'library/redis'],
  },
  {
    name: 'Docker Hub, its whole name',
    members: HUB,
    asked: 'hub/library/redis',
    expected: ['hub/library/redis', 'library/redis'],
  },
  {
    name: 'Docker Hub, a user',
    members: HUB,
    asked: 'hub/grafana/loki',
    expected: ['hub/grafana/loki', 'grafana/loki'],
  },
  {
    name: 'index.docker.io',
    members: [['index.docker.io', '']],
    asked: 'hub/redis',
    expected: ['hub/library/redis', 'library/redis'],
  },
  {
    name: 'registry-1.docker.io',
    members: [['registry-1.docker.io', '']],
    asked: 'hub/redis',
    expected: ['hub/library/redis', 'library/redis'],
  },
  {
    name: 'Docker Hub with a prefix',
    members: [['docker.io', 'grafana']],
    asked: 'hub/loki',
    expected: ['hub/loki', 'grafana/loki'],
  },
  { name: 'another registry', members: [['quay.io', '']], asked: 'hub/redis', expected: ['hub/redis', 'redis'] },
  {
    name: 'another with a prefix',
    members: [['ghcr.io', 'org/team']],
    asked: 'hub/app',
    expected: ['hub/app', 'org/team/app'],
  },
  { name: 'the prefix is a repository', members: [['ghcr.io', 'org/app']], asked: 'hub', expected: ['hub', 'org/app'] },
  {
    name: 'a mirror of Docker Hub first',
    members: [
      ['mirror.example', ''],
      ['docker.io', ''],
    ],
    asked: 'hub/redis',
    expected: ['hub/library/redis', 'library/redis', 'library/redis'],
  },
  {
    name: 'mirrors with other prefixes',
    members: [
      ['docker.io', ''],
      ['harbor.example', 'cache'],
    ],
    asked: 'hub/redis',
    expected: ['hub/library/redis', 'library/redis', 'cache/library/redis'],
  },
  {
    name: 'a namespace of two segments',
    namespace: 'ext/hub',
    members: HUB,
    asked: 'ext/hub/redis',
    expected: ['ext/hub/library/redis', 'library/redis'],
  },
  { name: 'the namespace alone', members: HUB, asked: 'hub', expected: 'NAME_UNKNOWN' },
  { name: 'another namespace', members: HUB, asked: 'team/redis', expected: 'NAME_UNKNOWN' },
  { name: 'a namespace that begins alike', members: HUB, asked: 'hubble/redis', expected: 'NAME_UNKNOWN' },
  {
    name: 'too long with its prefix',
    members: [['ghcr.io', 'p'.repeat(100)]],
    asked: `hub/${'a'.repeat(200)}`,
    expected: 'NAME_INVALID',
  },
];

describe('names of a proxy namespace', () => {
  for (const { name, namespace = 'hub', members, asked, expected } of TABLE) {
    test(name, () => {
      const namesOf = namesIn(
        repo(namespace),
        members.map(([host, prefix]) => ({ upstream: fakeUpstream(host), prefix })),
      );
      const outcome = () => {
        try {
          const { local, upstream } = namesOf(repo(asked));
          return [local, ...upstream];
        } catch (thrown) {
          if (thrown instanceof RegistryError) return thrown.code;
          throw thrown;
        }
      };
      expect(outcome()).toEqual(expected as never);
    });
  }
});
