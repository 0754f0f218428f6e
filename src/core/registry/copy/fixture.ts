import {
  type Descriptor,
  type Digest,
  descriptorToJson,
  digestOf,
  MediaType,
  type Platform,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import type { Call, Registry } from '../types.ts';

/** Test content: images made of text, put into a registry. */
export type Fixture = {
  readonly registry: Registry;
  blob(text: string, repository?: RepositoryName): Promise<Descriptor>;
  image(name: string, options?: ImageOptions): Promise<Descriptor>;
  index(children: readonly Descriptor[], options?: Tagged): Promise<Descriptor>;
};
export type Tagged = {
  readonly repository?: RepositoryName;
  readonly tags?: readonly string[];
  readonly subject?: Descriptor;
};
export type ImageOptions = Tagged & {
  readonly layers?: readonly string[];
  readonly extraLayers?: readonly Descriptor[];
  readonly platform?: Platform;
};

export const TEST_CALL: Call = {
  principal: { kind: 'system', name: 'test' },
  requestId: 'test',
  purpose: 'mirror',
};
export const REPO = 'vendor/app' as RepositoryName;

export function createFixture(registry: Registry): Fixture {
  const put = async (json: object, mediaType: string, { repository = REPO, tags = [] }: Tagged) => {
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    const digest = digestOf(bytes);
    await registry.putManifest(repository, bytes, { mediaType, digest, tags: tags as TagName[] }, TEST_CALL);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const subjectOf = ({ subject }: Tagged) => (subject ? { subject: descriptorToJson(subject) } : {});
  const blob = async (text: string, repository = REPO): Promise<Descriptor> => {
    const bytes = new TextEncoder().encode(text);
    const digest: Digest = digestOf(bytes);
    await registry.putBlob(repository, { digest, size: bytes.byteLength }, bytes, TEST_CALL);
    return { mediaType: MediaType.ociLayer, digest, size: bytes.byteLength };
  };
  return {
    registry,
    blob,
    async image(name, options = {}) {
      const config = await blob(`config of ${name}`, options.repository);
      const layers: Descriptor[] = [];
      for (const text of options.layers ?? [`layer of ${name}`]) layers.push(await blob(text, options.repository));
      const body = {
        schemaVersion: 2,
        mediaType: MediaType.ociManifest,
        config: { ...config, mediaType: MediaType.ociConfig },
        layers: [...layers, ...(options.extraLayers ?? [])],
        ...subjectOf(options),
      };
      const descriptor = await put(body, MediaType.ociManifest, options);
      return { ...descriptor, ...(options.platform ? { platform: options.platform } : {}) };
    },
    async index(children, options = {}) {
      const body = {
        schemaVersion: 2,
        mediaType: MediaType.ociIndex,
        manifests: children.map(descriptorToJson),
        ...subjectOf(options),
      };
      return await put(body, MediaType.ociIndex, options);
    },
  };
}

/** The names of the methods called on a registry, in order, and how often. */
export type Counted = { readonly registry: Registry; readonly calls: string[]; count(method: string): number };

export function counted(inner: Registry): Counted {
  const calls: string[] = [];
  const registry = new Proxy(inner, {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(String(property));
        return Reflect.apply(value, target, args);
      };
    },
  });
  return { registry, calls, count: (method) => calls.filter((name) => name === method).length };
}
