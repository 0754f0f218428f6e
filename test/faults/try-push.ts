import { type Image, manifestType } from '../harness/image.ts';

/** How a push ended: acknowledged, or refused with an error of the specification's form. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly status: number; readonly code: string };

/** A push that stops at the first refusal. Throws when the answer is no spec error, or there is none. */
export async function tryPush(
  host: string,
  repository: string,
  options: { readonly image: Image; readonly tag: string },
): Promise<Outcome> {
  const { image, tag } = options;
  const base = `http://${host}/v2/${repository}`;
  const blobs = [
    ...image.layers.map((layer) => ({ digest: layer.digest, body: Bun.file(layer.path) })),
    { digest: image.configDigest, body: new Blob([image.config]) },
  ];
  for (const { digest, body } of blobs) {
    const started = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    if (started.status !== 202) return refused(started);
    const to = new URL(started.headers.get('location') ?? '', base);
    to.searchParams.set('digest', digest);
    const put = await fetch(to, { method: 'PUT', body, headers: { 'content-length': String(body.size) } });
    if (put.status !== 201) return refused(put);
  }
  const headers = { 'content-type': manifestType };
  const put = await fetch(`${base}/manifests/${tag}`, { method: 'PUT', body: image.manifest, headers });
  return put.status === 201 ? { kind: 'done' } : refused(put);
}

async function refused(response: Response): Promise<Outcome> {
  const text = await response.text();
  const body: { errors?: { code?: string }[] } = JSON.parse(text);
  const code = body.errors?.[0]?.code;
  if (code === undefined) throw new Error(`${response.url} answered ${response.status} without an error: ${text}`);
  return { kind: 'refused', status: response.status, code };
}
