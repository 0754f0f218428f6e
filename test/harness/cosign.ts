import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { program } from './need.ts';
import { type Finished, run } from './process.ts';

export type Cosign = {
  readonly sign: (form: CosignForm, image: string) => Promise<Finished>;
  readonly verify: (form: CosignForm, image: string) => Promise<Finished>;
  readonly attest: (form: CosignForm, image: string) => Promise<Finished>;
  readonly verifyAttestation: (form: CosignForm, image: string) => Promise<Finished>;
};
/** `bundle`: referrers, what cosign 3 writes; `tags`: `sha256-….sig`, what cosign 2 wrote. */
export type CosignForm = 'bundle' | 'tags';

const password = { COSIGN_PASSWORD: 'test' };
// A key pair and plain HTTP: no transparency log, nothing beyond loopback is asked.
const signing = ['--use-signing-config=false', '--tlog-upload=false', '--allow-http-registry', '--yes'];
const verifying = ['--insecure-ignore-tlog', '--allow-http-registry'];

/** cosign with a new key pair in `folder`. */
export async function makeCosign(folder: string): Promise<Cosign> {
  const cosign = (...args: string[]) =>
    run([program('cosign'), ...args], { cwd: folder, env: { ...password, HOME: folder } });
  await cosign('generate-key-pair');
  writeFileSync(join(folder, 'predicate.json'), JSON.stringify({ builder: 'test' }));
  const form = (each: CosignForm) => (each === 'tags' ? ['--new-bundle-format=false'] : []);
  const predicate = ['--predicate', 'predicate.json', '--type', 'custom'];
  return {
    sign: (each, image) => cosign('sign', '--key', 'cosign.key', ...signing, ...form(each), image),
    verify: (each, image) => cosign('verify', '--key', 'cosign.pub', ...verifying, ...form(each), image),
    attest: (each, image) => cosign('attest', '--key', 'cosign.key', ...signing, ...form(each), ...predicate, image),
    verifyAttestation: (each, image) =>
      cosign('verify-attestation', '--key', 'cosign.pub', '--type', 'custom', ...verifying, ...form(each), image),
  };
}
