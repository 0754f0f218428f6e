import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPeer, howToGet } from './find.ts';

let root = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'entrepot-find-'));
  for (const folder of ['one', 'two']) mkdirSync(join(root, folder));
  for (const path of ['one/crane', 'two/crane', 'two/oras']) {
    writeFileSync(join(root, path), '#!/bin/sh\n');
    chmodSync(join(root, path), 0o755);
  }
  writeFileSync(join(root, 'one/wrk'), 'not a program');
  chmodSync(join(root, 'one/wrk'), 0o644);
  mkdirSync(join(root, 'one/helm'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const cases = [
  { name: 'the first folder of PATH', look: 'crane', peers: undefined, found: 'one/crane' },
  { name: 'ENTREPOT_PEERS before PATH', look: 'crane', peers: 'two', found: 'two/crane' },
  { name: 'PATH after ENTREPOT_PEERS', look: 'oras', peers: 'one', found: 'two/oras' },
  { name: 'a file that cannot be run is none', look: 'wrk', peers: undefined, found: undefined },
  { name: 'a folder is none', look: 'helm', peers: undefined, found: undefined },
];
for (const row of cases) {
  test(`findPeer: ${row.name}`, () => {
    const PATH = `${join(root, 'one')}:${join(root, 'two')}`;
    const env = row.peers ? { PATH, ENTREPOT_PEERS: join(root, row.peers) } : { PATH };
    expect(findPeer(row.look, env)).toBe(row.found ? join(root, row.found) : undefined);
  });
}

test('howToGet names the pinned version, or the Debian package', () => {
  expect(howToGet('cosign')).toBe('go install github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3');
  expect(howToGet('ctr')).toBe('apt-get install containerd');
});
