import { expect, test } from 'bun:test';
import { type NetworkTrouble, networkTroubleOf } from './network-trouble.ts';

const cases: { name: string; thrown: unknown; expected: NetworkTrouble | undefined }[] = [
  { name: 'a name without an address', thrown: { code: 'ENOTFOUND' }, expected: 'name-unknown' },
  { name: 'an old certificate', thrown: { code: 'CERT_HAS_EXPIRED' }, expected: 'certificate-expired' },
  { name: 'a name of objects', thrown: { code: 'constructor' }, expected: undefined },
  { name: 'no code', thrown: new Error('x'), expected: undefined },
];
for (const { name, thrown, expected } of cases) {
  test(name, () => expect(networkTroubleOf(thrown)).toBe(expected as NetworkTrouble));
}
