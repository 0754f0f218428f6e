import { manifestType, sha256 } from '../harness/image.ts';
import type { Model } from './model.ts';
import type { Random } from './random.ts';

export type Wire = (path: string, init: RequestInit) => Promise<Response>;

/** Where a writer works; nobody else touches its tags, though others may write to its repository. */
export type WriterOptions = {
  readonly name: string;
  readonly repository: string;
  readonly random: Random;
  readonly model: Model;
  readonly wire: Wire;
};

/** Answers that a client may get while gc and others work: they refuse, and change nothing. */
const refusals = new Set([400, 404, 416]);
const indexType = 'application/vnd.oci.image.index.v1+json';
const tagsPerWriter = 10;
const layerMaxBytes = 64 * 1024;
// Content that several writers push and drop at the same time: the hard case for gc.
const sharedLayers = [1, 2, 3].map((seed) => new Uint8Array(20_000).fill(seed));

export type Step = () => Promise<void>;

/** One random thing that a client does, told to the model before and after. */
export function createWriter(options: WriterOptions): Step {
  const { model, random, repository, name } = options;
  const tag = () => `${repository}:${name}-${random.below(tagsPerWriter)}`;
  const mine = () => model.tags().filter((each) => each.startsWith(`${repository}:${name}-`));
  const held = () => mine().filter((each) => model.settled(each) !== undefined);
  const manifests = new Map<string, { bytes: Uint8Array; mediaType: string }>();
  const client = createClient(options);

  async function settle(
    tags: readonly string[],
    outcome: string | undefined,
    request: () => Promise<Response>,
  ): Promise<void> {
    for (const each of tags) model.begin(each, outcome);
    const response = await request();
    await response.arrayBuffer();
    if (!response.ok && !refusals.has(response.status)) throw unexpected(response);
    for (const each of tags) model.end(each, outcome, response.ok);
  }
  async function putTagged(manifest: { bytes: Uint8Array; mediaType: string }): Promise<void> {
    const to = tag();
    const digest = sha256(manifest.bytes);
    manifests.set(digest, manifest);
    await settle([to], digest, () => client.putManifest(to.split(':')[1] ?? '', manifest));
  }

  async function push(): Promise<void> {
    const bytes = await client.pushImage();
    if (bytes) await putTagged({ bytes, mediaType: manifestType });
  }
  async function pushIndex(): Promise<void> {
    const children: { mediaType: string; digest: string; size: number }[] = [];
    for (let at = 0; at < 2; at++) {
      const bytes = await client.pushImage();
      if (!bytes) return;
      const digest = sha256(bytes);
      const put = await client.putManifest(digest, { bytes, mediaType: manifestType });
      if (!put.ok) return;
      children.push({ mediaType: manifestType, digest, size: bytes.length });
    }
    await putTagged({
      bytes: encode({ schemaVersion: 2, mediaType: indexType, manifests: children }),
      mediaType: indexType,
    });
  }
  async function retag(): Promise<void> {
    const manifest = manifests.get(model.settled(random.pick(held()) ?? '') ?? '');
    await (manifest ? putTagged(manifest) : push());
  }
  async function deleteTag(): Promise<void> {
    const from = random.pick(held());
    if (from) await settle([from], undefined, () => client.deleteManifest(from.split(':')[1] ?? ''));
  }
  async function deleteManifest(): Promise<void> {
    const digest = model.settled(random.pick(held()) ?? '');
    if (digest === undefined) return;
    const tags = mine().filter((each) => model.settled(each) === digest);
    await settle(tags, undefined, () => client.deleteManifest(digest));
  }
  const steps: readonly Step[] = [push, push, push, push, pushIndex, retag, retag, deleteTag, deleteManifest];
  return () => (random.pick(steps) ?? push)();
}

function createClient({ repository, random, wire }: WriterOptions) {
  const base = `/v2/${repository}`;

  async function pushBlob(bytes: Uint8Array): Promise<boolean> {
    const digest = sha256(bytes);
    const started = await wire(`${base}/blobs/uploads/`, { method: 'POST' });
    await started.arrayBuffer();
    if (started.status !== 202) throw unexpected(started);
    let location = started.headers.get('location') ?? '';
    let rest = bytes;
    if (random.below(3) === 0 && bytes.length > 1) {
      const half = bytes.length >> 1;
      const headers = { 'content-range': `0-${half - 1}`, 'content-type': 'application/octet-stream' };
      const patched = await wire(location, { method: 'PATCH', body: bytes.slice(0, half), headers });
      await patched.arrayBuffer();
      if (patched.status !== 202) return refused(patched);
      location = patched.headers.get('location') ?? location;
      rest = bytes.slice(half);
    }
    const put = await wire(`${location}${location.includes('?') ? '&' : '?'}digest=${digest}`, {
      method: 'PUT',
      body: rest,
    });
    await put.arrayBuffer();
    return put.status === 201 || refused(put);
  }

  /** Config and layers; the manifest's bytes, or undefined when gc took a part of it meanwhile. */
  async function pushImage(): Promise<Uint8Array | undefined> {
    const own = random.bytes(1 + random.below(layerMaxBytes));
    const config = encode({ architecture: 'amd64', os: 'linux', nonce: random.below(2 ** 30) });
    const layers = [random.pick(sharedLayers) ?? own, own];
    for (const blob of [...layers, config]) if (!(await pushBlob(blob))) return undefined;
    const descriptor = (mediaType: string, bytes: Uint8Array) => ({
      mediaType,
      digest: sha256(bytes),
      size: bytes.length,
    });
    return encode({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
    });
  }

  return {
    pushImage,
    putManifest: (reference: string, manifest: { bytes: Uint8Array; mediaType: string }) =>
      wire(`${base}/manifests/${reference}`, {
        method: 'PUT',
        body: manifest.bytes.slice(),
        headers: { 'content-type': manifest.mediaType },
      }),
    deleteManifest: (reference: string) => wire(`${base}/manifests/${reference}`, { method: 'DELETE' }),
  };
}

function refused(response: Response): false {
  if (!refusals.has(response.status)) throw unexpected(response);
  return false;
}
const unexpected = (response: Response) => new Error(`${response.url} answered ${response.status}`);
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
