import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createPublicKey, verify } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Digest, digestOf, parseTag, referrersTag } from '#core/oci';
import { type Call, memory } from '#core/registry';
import { printingProgram } from './program.ts';
import { openSampleSigner } from './signer.ts';
import { fillSampleVendor, VENDOR_REPOSITORY } from './vendor.ts';

const call: Call = { principal: { kind: 'system', name: 'test' }, requestId: 't', purpose: 'push' };
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-vendor-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fill() {
  const registry = memory();
  const signer = await openSampleSigner(join(folder, 'vendor'));
  return { registry, signer, digest: await fillSampleVendor(registry, signer, call) };
}

async function signatureTag(registry: Awaited<ReturnType<typeof fill>>['registry'], digest: Digest) {
  const tag = parseTag(`${referrersTag(digest)}.sig`);
  return (await registry.getManifest(VENDOR_REPOSITORY, tag, call)).value;
}

test('two starts make the same content, signatures too', async () => {
  const first = await fill();
  const second = await fill();
  expect(second.digest).toBe(first.digest);
  const signatures = [
    await signatureTag(first.registry, first.digest),
    await signatureTag(second.registry, second.digest),
  ];
  expect(signatures[1]?.descriptor.digest).toBe(signatures[0]?.descriptor.digest ?? ('none' as Digest));
});

test('the signature is one of the index, by the key that is kept', async () => {
  const { registry, signer, digest } = await fill();
  const manifest = JSON.parse(new TextDecoder().decode((await signatureTag(registry, digest)).bytes));
  const layer = manifest.layers[0];
  const blob = (await registry.getBlob(VENDOR_REPOSITORY, layer.digest, {}, call)).value;
  if (blob.kind !== 'stream' && blob.kind !== 'file') throw new Error('no bytes');
  const payload = await new Response(blob.kind === 'file' ? blob.file : blob.body).bytes();
  const key = createPublicKey(await readFile(signer.publicKeyPath, 'utf8'));
  const signature = Buffer.from(layer.annotations['dev.cosignproject.cosign/signature'], 'base64');
  expect(digestOf(payload)).toBe(layer.digest);
  expect(verify('sha256', payload, key, signature)).toBe(true);
  expect(JSON.parse(new TextDecoder().decode(payload)).critical.image['docker-manifest-digest']).toBe(digest);
});

test('the private key is readable by its owner only', async () => {
  await fill();
  expect((await stat(join(folder, 'vendor', 'vendor-key.pem'))).mode & 0o777).toBe(0o600);
});

test('the SBOM is a referrer of the index', async () => {
  const { registry, digest } = await fill();
  const { value } = await registry.referrers(VENDOR_REPOSITORY, digest, {}, call);
  expect(value.items.map((item) => item.artifactType)).toEqual(['application/spdx+json']);
});

test('the program runs where the processor is the one it is for', async () => {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const path = join(folder, 'hello');
  await writeFile(path, printingProgram(architecture, 'hi there\n'));
  await chmod(path, 0o755);
  if (process.platform === 'linux') expect(await new Response(Bun.spawn([path]).stdout).text()).toBe('hi there\n');
  // Elsewhere the kernel cannot run it; the headers can still be read.
  else expect((await readFile(path)).subarray(0, 4).toString('latin1')).toBe('\u007fELF');
});
