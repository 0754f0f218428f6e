/** A map that forgets its least recently used entries once their sizes exceed `limitBytes`. */
export type SizedCache<V> = {
  get(key: string): V | undefined;
  set(key: string, value: V, sizeBytes: number): void;
  delete(key: string): void;
  clear(): void;
  readonly sizeBytes: number;
};

export function createSizedCache<V>(limitBytes: number): SizedCache<V> {
  // A Map keeps insertion order: the first key is the one unused for longest.
  const entries = new Map<string, { value: V; sizeBytes: number }>();
  let totalBytes = 0;
  const drop = (key: string) => {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    totalBytes -= entry.sizeBytes;
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, sizeBytes) {
      drop(key);
      if (sizeBytes > limitBytes) return;
      entries.set(key, { value, sizeBytes });
      totalBytes += sizeBytes;
      for (const oldest of entries.keys()) {
        if (totalBytes <= limitBytes) break;
        drop(oldest);
      }
    },
    delete: drop,
    clear() {
      entries.clear();
      totalBytes = 0;
    },
    get sizeBytes() {
      return totalBytes;
    },
  };
}
