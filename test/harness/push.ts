import { type Image, manifestType } from './image.ts';

/** Pushes with nothing but the specification's own requests: POST, PUT, and the manifest. */
export async function pushImage(host: string, repository: string, options: { image: Image; tags: readonly string[] }) {
  const { image } = options;
  for (const layer of image.layers)
    await pushBlob(host, repository, { digest: layer.digest, body: Bun.file(layer.path) });
  await pushBlob(host, repository, { digest: image.configDigest, body: new Blob([image.config]) });
  for (const tag of options.tags) await putManifest(host, repository, { reference: tag, manifest: image.manifest });
}

export async function pushBlob(host: string, repository: string, blob: { digest: string; body: Blob }): Promise<void> {
  const base = `http://${host}/v2/${repository}/blobs`;
  const found = await fetch(`${base}/${blob.digest}`, { method: 'HEAD' });
  if (found.ok) return;
  const started = await expectStatus(await fetch(`${base}/uploads/`, { method: 'POST' }), 202);
  const to = new URL(started.headers.get('location') ?? '', `http://${host}`);
  to.searchParams.set('digest', blob.digest);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.body.size) };
  await expectStatus(await fetch(to, { method: 'PUT', body: blob.body, headers }), 201);
}

export async function putManifest(
  host: string,
  repository: string,
  options: { reference: string; manifest: Uint8Array; mediaType?: string },
): Promise<Response> {
  const url = `http://${host}/v2/${repository}/manifests/${options.reference}`;
  const headers = { 'content-type': options.mediaType ?? manifestType };
  return expectStatus(await fetch(url, { method: 'PUT', body: options.manifest, headers }), 201);
}

/** The response with its body read, so that the connection is free again. */
async function expectStatus(response: Response, status: number): Promise<Response> {
  const body = await response.text();
  if (response.status === status) return response;
  throw new Error(`${response.url}: ${response.status} instead of ${status}: ${body.slice(0, 500)}`);
}
