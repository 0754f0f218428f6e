import { sha256 } from '../harness/image.ts';
import { acceptAll, type Manifest } from '../harness/read.ts';

/** Whether and how a manifest was answered. */
export type Seen = {
  readonly status: number;
  /** The first code of an error's body. */
  readonly code?: string;
  readonly message?: string;
  readonly digest?: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
};

export async function getManifest(host: string, name: string, init: RequestInit = {}): Promise<Seen> {
  const [repository, reference] = splitName(name);
  const url = `http://${host}/v2/${repository}/manifests/${reference}`;
  return seen(await fetch(url, { ...init, headers: { accept: acceptAll } }));
}

/** `repository:tag` or `repository@digest`. */
function splitName(name: string): [string, string] {
  const at = name.includes('@') ? name.indexOf('@') : name.lastIndexOf(':');
  return [name.slice(0, at), name.slice(at + 1)];
}

export async function seen(response: Response): Promise<Seen> {
  const bytes = await response.bytes();
  const told = { status: response.status, headers: response.headers, bytes };
  if (response.ok) return { ...told, digest: sha256(bytes) };
  if (bytes.length === 0) return told;
  const body = JSON.parse(new TextDecoder().decode(bytes)) as { errors: { code: string; message: string }[] };
  const [error] = body.errors;
  return error ? { ...told, code: error.code, message: error.message } : told;
}

/** A blob as it came: to a clean end or not, and of what digest. */
export type Transfer = {
  readonly status: number;
  readonly headers: Headers;
  readonly sizeBytes: number;
  readonly digest: string;
  /** False: the connection broke. */
  readonly clean: boolean;
  /** Of an answer that is an error. */
  readonly text: string;
};

export async function getBlob(url: string, init: RequestInit = {}): Promise<Transfer> {
  const response = await fetch(url, init);
  const hasher = new Bun.CryptoHasher('sha256');
  let sizeBytes = 0;
  let clean = true;
  let text = '';
  try {
    for await (const piece of response.body ?? []) {
      hasher.update(piece);
      sizeBytes += piece.length;
      if (!response.ok) text += new TextDecoder().decode(piece);
    }
  } catch {
    clean = false;
  }
  const { status, headers } = response;
  return { status, headers, sizeBytes, digest: `sha256:${hasher.digest('hex')}`, clean, text };
}

/** As a node pulls: the manifest, then config and layers at once. Throws unless every byte is right. */
export async function pull(host: string, name: string): Promise<Seen> {
  const [repository] = splitName(name);
  const answer = await getManifest(host, name);
  if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${answer.code}: ${answer.message}`);
  const manifest = JSON.parse(new TextDecoder().decode(answer.bytes)) as Manifest;
  const blobs = [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])];
  await Promise.all(
    blobs.map(async ({ digest, size }) => {
      const got = await getBlob(`http://${host}/v2/${repository}/blobs/${digest}`);
      if (got.status === 200 && got.clean && got.digest === digest && got.sizeBytes === size) return;
      throw new Error(`${name}: ${digest}: ${got.status}, ${got.sizeBytes} of ${size} bytes, clean: ${got.clean}`);
    }),
  );
  return answer;
}

/** Bytes of a manifest, its config and its layers. */
export function imageBytes(image: {
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
  readonly layers: readonly { readonly sizeBytes: number }[];
}): number {
  return image.layers.reduce((sum, layer) => sum + layer.sizeBytes, image.manifest.length + image.config.length);
}
