import { describe, expect, test } from 'bun:test';
import { Bounds } from './bounds.ts';
import { descriptorToJson } from './descriptor.ts';
import { artifactTypeOf, parseManifest, requiredBlobs } from './manifest.ts';
import { MediaType } from './media-type.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const blob = (mediaType: string, more = {}) => ({ mediaType, digest, size: 5, ...more });
const image = (more = {}) => ({
  schemaVersion: 2,
  mediaType: MediaType.ociManifest,
  config: blob(MediaType.ociConfig),
  layers: [],
  ...more,
});
const index = (more = {}) => ({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [], ...more });
const bytesOf = (body: unknown) => new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
const read = (body: unknown, contentType = '') => parseManifest(bytesOf(body), contentType);

describe('parseManifest', () => {
  test('reads an image', () => {
    const layer = blob(MediaType.ociLayerGzip, { annotations: { a: 'b' }, urls: ['https://x'], data: 'aGVsbG8=' });
    const subject = blob(MediaType.ociManifest);
    const manifest = read(image({ layers: [layer], subject, artifactType: 'application/x', annotations: { c: 'd' } }));
    expect(manifest).toEqual({
      kind: 'image',
      mediaType: MediaType.ociManifest,
      artifactType: 'application/x',
      annotations: { c: 'd' },
      subject,
      config: blob(MediaType.ociConfig),
      layers: [layer],
      manifests: [],
    } as never);
  });

  test('reads an index with its platforms, and writes a descriptor back as it was', () => {
    const platform = { os: 'windows', architecture: 'arm64', variant: 'v8', 'os.version': '10' };
    const child = blob(MediaType.ociManifest, { platform });
    const [found] = read(index({ manifests: [child] })).manifests;
    expect(found?.platform).toEqual({ os: 'windows', architecture: 'arm64', variant: 'v8', osVersion: '10' });
    expect(found && descriptorToJson(found)).toEqual(child as never);
  });

  const types = [
    { name: 'the body decides', body: image(), contentType: '', mediaType: MediaType.ociManifest },
    {
      name: 'an unknown content type is no matter',
      body: image(),
      contentType: 'application/json',
      mediaType: MediaType.ociManifest,
    },
    {
      name: 'parameters are no matter',
      body: image(),
      contentType: `${MediaType.ociManifest}; charset=utf-8`,
      mediaType: MediaType.ociManifest,
    },
    {
      name: 'a body without one takes what it came with',
      body: image({ mediaType: undefined }),
      contentType: MediaType.dockerManifest,
      mediaType: MediaType.dockerManifest,
    },
    {
      name: 'without either, the shape decides: index',
      body: index({ mediaType: undefined }),
      contentType: '',
      mediaType: MediaType.ociIndex,
    },
    {
      name: 'without either, the shape decides: image',
      body: image({ mediaType: undefined }),
      contentType: '',
      mediaType: MediaType.ociManifest,
    },
    {
      name: 'Docker stays Docker',
      body: index({ mediaType: MediaType.dockerList }),
      contentType: MediaType.dockerList,
      mediaType: MediaType.dockerList,
    },
  ];
  for (const { name, body, contentType, mediaType } of types) {
    test(`media type: ${name}`, () => expect(read(body, contentType).mediaType).toBe(mediaType));
  }

  test('keys that nobody knows are no matter', () => {
    expect(read(image({ history: [], 'x-custom': { deep: [1] } })).kind).toBe('image');
  });

  test('of a key that comes twice the last counts, as for other readers', () => {
    const text = `{"schemaVersion":2,"manifests":[1],"manifests":[]}`;
    expect(read(text, MediaType.ociIndex).manifests).toEqual([]);
  });

  test('as deep as allowed, with brackets in its texts', () => {
    const deep = `${'['.repeat(Bounds.jsonDepth - 1)}${']'.repeat(Bounds.jsonDepth - 1)}`;
    expect(read(`{"schemaVersion":2,"manifests":[],"deep":${deep}}`, MediaType.ociIndex).kind).toBe('index');
    const text = `\\"${'[{'.repeat(100)}\\\\`;
    expect(read(index({ annotations: { text } })).annotations).toEqual({ text });
  });
});

describe('parseManifest refuses', () => {
  const bom = new Uint8Array([0xef, 0xbb, 0xbf, ...bytesOf(index())]);
  const cases: { name: string; body: unknown; contentType?: string }[] = [
    { name: 'an empty body', body: '' },
    { name: 'no JSON', body: '{' },
    { name: 'a list', body: [] },
    { name: 'null', body: 'null' },
    { name: 'a text', body: '"x"' },
    { name: 'a byte order mark', body: bom },
    { name: 'bytes that are not UTF-8', body: new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]) },
    { name: 'NUL in a text', body: '{"schemaVersion":2,"mediaType":"\0"}' },
    { name: 'nesting too deep', body: `{"a":${'['.repeat(Bounds.jsonDepth)}${']'.repeat(Bounds.jsonDepth)}}` },
    { name: 'nesting without end', body: '['.repeat(1_000_000) },
    { name: 'schema 1', body: image({ schemaVersion: 1 }) },
    { name: 'no schema', body: image({ schemaVersion: undefined }) },
    { name: 'a schema that is a text', body: image({ schemaVersion: '2' }) },
    { name: 'an unknown media type', body: image({ mediaType: 'text/html' }) },
    { name: 'a media type that is no text', body: image({ mediaType: 5 }) },
    { name: 'a media type that is not the content type', body: image(), contentType: MediaType.ociIndex },
    { name: 'Docker and OCI at once', body: image(), contentType: MediaType.dockerManifest },
    { name: 'an image with manifests', body: image({ manifests: [] }) },
    { name: 'an index with layers', body: index({ layers: [] }) },
    { name: 'an index with a config', body: index({ config: blob('x') }) },
    { name: 'a key in other letters', body: image({ Manifests: [] }) },
    { name: 'an image without a config', body: image({ config: undefined }) },
    { name: 'a config that is a list', body: image({ config: [] }) },
    { name: 'layers that are no list', body: image({ layers: {} }) },
    { name: 'a layer that is null', body: image({ layers: [null] }) },
    { name: 'a layer without a digest', body: image({ layers: [{ mediaType: 'x', size: 1 }] }) },
    { name: 'a digest that is none', body: image({ layers: [blob('x', { digest: 'sha256:0' })] }) },
    { name: 'a digest that is a list', body: image({ layers: [blob('x', { digest: [digest] })] }) },
    { name: 'a descriptor without a media type', body: image({ layers: [blob('')] }) },
    { name: 'a negative size', body: image({ layers: [blob('x', { size: -1 })] }) },
    { name: 'a broken size', body: image({ layers: [blob('x', { size: 1.5 })] }) },
    { name: 'a size beyond counting', body: image({ layers: [blob('x', { size: 2 ** 60 })] }) },
    { name: 'a size that is a text', body: image({ layers: [blob('x', { size: '1' })] }) },
    { name: 'annotations that are a list', body: image({ annotations: [] }) },
    { name: 'an annotation that is no text', body: image({ annotations: { a: 1 } }) },
    { name: 'a subject that is a text', body: image({ subject: digest }) },
    { name: 'too many layers', body: image({ layers: Array(Bounds.layers + 1).fill(blob('x')) }) },
    { name: 'too many children', body: index({ manifests: Array(Bounds.children + 1).fill(blob('x')) }) },
  ];
  for (const { name, body, contentType = '' } of cases) {
    test(name, () => {
      const bytes = body instanceof Uint8Array ? body : bytesOf(body);
      expect(() => parseManifest(bytes, contentType)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
    });
  }

  test('a body beyond the bound, unread', () => {
    const bytes = new Uint8Array(Bounds.manifestBytes + 1);
    expect(() => parseManifest(bytes, '')).toThrow(expect.objectContaining({ code: 'MANIFEST_TOO_LARGE' }));
  });
});

test('blobs that may not be distributed are not required, if they say where they are', () => {
  const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
  const layers = [
    blob(MediaType.ociLayer),
    blob(foreign, { urls: ['https://x'] }),
    blob(foreign),
    blob(foreign, { urls: [] }),
  ];
  expect(requiredBlobs(read(image({ layers }))).map(({ mediaType }) => mediaType)).toEqual([
    MediaType.ociConfig,
    MediaType.ociLayer,
    foreign,
    foreign,
  ]);
});

test('the artifact type is the manifest’s own, else its config’s; an index has none', () => {
  expect(artifactTypeOf(read(image({ artifactType: 'application/x' })))).toBe('application/x');
  expect(artifactTypeOf(read(image({ artifactType: '' })))).toBe(MediaType.ociConfig);
  expect(artifactTypeOf(read(index()))).toBeUndefined();
});
