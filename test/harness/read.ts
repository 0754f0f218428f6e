import { sha256 } from './image.ts';

export const acceptAll = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

export type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
};
export type Manifest = {
  readonly mediaType?: string;
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly subject?: Descriptor;
};

/** A manifest whose bytes have the digest that the registry says. */
export async function readManifest(
  host: string,
  repository: string,
  reference: string,
): Promise<{ digest: string; manifest: Manifest }> {
  const response = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, {
    headers: { accept: acceptAll },
  });
  const bytes = await response.bytes();
  if (!response.ok) throw new Error(`${response.url}: ${response.status}: ${new TextDecoder().decode(bytes)}`);
  const digest = sha256(bytes);
  const said = response.headers.get('docker-content-digest');
  if (said !== digest) throw new Error(`${response.url}: its bytes are ${digest}, its header says ${said}`);
  return { digest, manifest: JSON.parse(new TextDecoder().decode(bytes)) };
}

/** Reads everything below a reference and checks every byte against its digest. Returns the root's digest. */
export async function verifyClosure(host: string, repository: string, reference: string): Promise<string> {
  const { digest, manifest } = await readManifest(host, repository, reference);
  if (reference.includes(':') && reference !== digest) throw new Error(`${reference} has the content of ${digest}`);
  for (const child of manifest.manifests ?? []) await verifyClosure(host, repository, child.digest);
  for (const blob of [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]) {
    await verifyBlob(host, repository, blob);
  }
  return digest;
}

async function verifyBlob(host: string, repository: string, blob: Descriptor): Promise<void> {
  const response = await fetch(`http://${host}/v2/${repository}/blobs/${blob.digest}`, { decompress: false });
  const hasher = new Bun.CryptoHasher('sha256');
  let length = 0;
  for await (const piece of response.body ?? []) {
    hasher.update(piece);
    length += piece.length;
  }
  const digest = `sha256:${hasher.digest('hex')}`;
  if (response.status === 200 && digest === blob.digest && length === blob.size) return;
  throw new Error(`${response.url}: ${response.status}, ${length} bytes of ${digest}, not ${blob.size}`);
}

export async function listTags(host: string, repository: string): Promise<readonly string[]> {
  const response = await fetch(`http://${host}/v2/${repository}/tags/list`);
  if (response.status === 404) return [];
  const page = (await response.json()) as { tags: string[] | null };
  return page.tags ?? [];
}
