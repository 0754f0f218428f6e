import { describe, expect, test } from 'bun:test';
import { readConfig, requireConfig } from '#surface/config';
import { nameTable } from './names.ts';

function tableOf(yaml: string) {
  const config = requireConfig(readConfig({ text: `version: 1\n${yaml}`, file: 'e.yaml', folder: '/srv' }));
  return nameTable({ config, proxyOf: () => undefined });
}

const NAMESPACES = `namespaces:
  whole: { type: proxy, upstream: quay.io }
  vendor: { type: proxy, upstream: [quay.io/vendor, "mirror.test:5001"] }
  again: { type: proxy, upstream: quay.io }
  team: { type: hosted, hosts: [Team.example.com, "other.test:8443"] }
`;

describe('names', () => {
  test('?ns= leads to the longest prefix first, of equal ones to the first in the file', () => {
    expect(tableOf(NAMESPACES).byNs).toEqual({
      'quay.io': [
        { prefix: 'vendor', namespace: 'vendor' },
        { prefix: '', namespace: 'whole' },
        { prefix: '', namespace: 'again' },
      ],
      'mirror.test:5001': [{ prefix: '', namespace: 'vendor' }],
    });
  });
  test('hosts are known with the ports that clients write, and without', () => {
    const url = 'server: { listen: "127.0.0.1:7000", url: "https://registry.example.com:8443" }\n';
    expect(tableOf(url + NAMESPACES)).toMatchObject({
      byHost: {
        'team.example.com': 'team',
        'team.example.com:7000': 'team',
        'team.example.com:8443': 'team',
        'other.test:8443': 'team',
      },
      own: ['registry.example.com:8443'],
    });
  });
});
