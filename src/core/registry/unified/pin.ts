import { type Digest, parseManifest } from '#core/oci';
import { createSizedCache } from '#core/std';
import type { ManifestAnswer } from '../types.ts';
import type { Shown } from './name.ts';

/**
 * Which member gave a manifest: what it names is asked of that member first, so that a tag and its blobs come from one.
 * Forgotten at the end of the process and when the memory is full: then the members are asked in their order.
 */
export type Pins = {
  of(below: string, digest: Digest): Shown | undefined;
  add(below: string, digest: Digest, member: Shown): void;
  /** The manifest, and all it names. */
  addManifest(below: string, answer: ManifestAnswer, member: Shown): void;
};

/** Some 50,000 images of ten parts. */
const PINS_BYTES = 64 * 1024 * 1024;
const PIN_OVERHEAD_BYTES = 96;

export function createPins(): Pins {
  const pins = createSizedCache<Shown>(PINS_BYTES);
  /** Manifests whose parts were pinned: they are not parsed again at every pull. */
  const read = createSizedCache<Shown>(PINS_BYTES);
  const keyOf = (below: string, digest: Digest) => `${below}\n${digest}`;
  const add = (below: string, digest: Digest, member: Shown) => {
    const key = keyOf(below, digest);
    pins.set(key, member, key.length + PIN_OVERHEAD_BYTES);
  };
  return {
    of: (below, digest) => pins.get(keyOf(below, digest)),
    add,
    addManifest(below, { descriptor, bytes }, member) {
      const key = keyOf(below, descriptor.digest);
      if (read.get(key) === member) return;
      const { config, layers, manifests, subject } = parseManifest(bytes, descriptor.mediaType);
      const parts = [descriptor, ...(config ? [config] : []), ...layers, ...manifests, ...(subject ? [subject] : [])];
      for (const { digest } of parts) add(below, digest, member);
      read.set(key, member, key.length + PIN_OVERHEAD_BYTES);
    },
  };
}
