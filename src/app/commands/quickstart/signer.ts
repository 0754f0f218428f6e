import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCodeOf } from '#core/std';

/** The sample vendor's key, and its signatures: kept, since two ECDSA signatures of one text differ. */
export type SampleSigner = {
  /** Signature in DER, base64, of exactly these bytes: the same at every start. */
  sign(bytes: Uint8Array): Promise<string>;
  /** Path of the public key, PEM, for `cosign verify --key`. */
  readonly publicKeyPath: string;
};

type Kept = Record<string, string>;

/** Opens the key in a folder, or makes one there. Files of the key are readable by their owner only. */
export async function openSampleSigner(folder: string): Promise<SampleSigner> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = await keyIn(folder);
  const publicKeyPath = join(folder, 'cosign.pub');
  await writeFile(publicKeyPath, createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  const keptPath = join(folder, 'signatures.json');
  const kept = await readKept(keptPath);
  return {
    publicKeyPath,
    sign: async (bytes) => {
      const name = new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
      const known = kept[name];
      if (known !== undefined && verify('sha256', bytes, createPublicKey(key), Buffer.from(known, 'base64')))
        return known;
      const signature = sign('sha256', bytes, key).toString('base64');
      kept[name] = signature;
      await replace(keptPath, JSON.stringify(kept, null, 2));
      return signature;
    },
  };
}

async function keyIn(folder: string): Promise<KeyObject> {
  const path = join(folder, 'vendor-key.pem');
  const text = await readIfThere(path);
  if (text !== undefined) return createPrivateKey(text);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await replace(path, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  await chmod(path, 0o600);
  return privateKey;
}

async function readKept(path: string): Promise<Kept> {
  const text = await readIfThere(path);
  return text === undefined ? {} : (JSON.parse(text) as Kept);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (systemCodeOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
