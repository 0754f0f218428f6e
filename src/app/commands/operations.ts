import { type ManifestReference, parseRepository, parseTag, RegistryError, tryParseManifestReference } from '#core/oci';
import type { Operations, Running, Status } from '#surface/server/api';
import { type App, durationOf, systemCall } from '../compose.ts';
import { deleteImage, type Shelf, showImage } from './image.ts';
import { listImages, listRepositories, listTags } from './list.ts';
import { applyMirrors } from './mirror-apply.ts';

/** Where and since when this process serves; absent in a command. */
export type ServingFacts = { readonly url: string; readonly startedAtMs: number };

/** What can be done to an app's own state, for the API and for commands that hold the folder. */
export function createOperations(app: App, serving: () => ServingFacts | undefined): Operations {
  const call = systemCall('command');
  const shelf = (repository: string): Shelf => ({
    registry: app.registry,
    repository: parseRepository(repository),
    call,
  });
  const graceMs = durationOf(app.config.storage.gcGrace);
  return {
    status: () => statusOf(app, serving()),
    config: async () => ({ ...app.config }),
    repositories: (options) => listRepositories(app.registry, options, call),
    tags: (repository, options) => listTags(shelf(repository), options),
    images: (repository, options) => listImages(shelf(repository), options),
    image: (repository, reference) => showImage(shelf(repository), parseManifestReference(reference)),
    deleteImage: (repository, reference) => deleteImage(shelf(repository), parseManifestReference(reference)),
    gc: async ({ apply, untagged }) => {
      const options = { graceMs, untagged };
      if (apply) {
        const { fileBytes, ...counts } = await app.store.gcRun(options);
        return { applied: true, ...counts, bytes: fileBytes };
      }
      const { manifests, blobLinks, blobs, blobBytes, orphanFiles, orphanBytes } = await app.store.gcPlan(options);
      return { applied: false, manifests, blobLinks, blobs, files: orphanFiles, bytes: blobBytes + orphanBytes };
    },
    scrub: async (running) => {
      const onProgress = await scrubProgress(app, running);
      const { blobs, blobBytes, manifests, damaged } = await app.store.scrub({ signal: running.signal, onProgress });
      return {
        blobs,
        manifests,
        readBytes: blobBytes,
        damaged: damaged.map((damage) => ({ ...damage, repositories: [...damage.repositories] })),
      };
    },
    mirrorApply: (request, running) => applyMirrors(app, request, running),
  };
}

/** A scrub of a full disk takes hours; a line so often shows that it goes on. */
const SAY_EVERY_MS = 5_000;

async function scrubProgress({ store, machine }: App, { onProgress }: Running) {
  const all = await store.usage();
  const say = (blobs: number, percent: number) =>
    onProgress({ kind: 'run-started', title: `scrub: ${blobs} of ${all.blobs} blobs, ${percent}% of the bytes` });
  let saidAtMs = machine.clock.now();
  if (all.blobs > 0) say(0, 0);
  return (done: { readonly blobs: number; readonly blobBytes: number }) => {
    const nowMs = machine.clock.now();
    if (nowMs - saidAtMs < SAY_EVERY_MS) return;
    saidAtMs = nowMs;
    say(done.blobs, Math.min(100, Math.floor((100 * done.blobBytes) / Math.max(1, all.blobBytes))));
  };
}

function parseManifestReference(text: string): ManifestReference {
  const reference = tryParseManifestReference(text);
  if (reference !== undefined) return reference;
  // parseTag says what a tag is made of; a colon can only be a wrong digest.
  if (!text.includes(':')) return parseTag(text);
  throw new RegistryError('DIGEST_INVALID', `"${text.slice(0, 80)}" is not a digest`, {
    hint: 'write sha256: and 64 hexadecimal digits',
  });
}

async function statusOf({ config, machine, store }: App, serving: ServingFacts | undefined): Promise<Status> {
  const usage = await store.usage();
  return {
    version: machine.version,
    serving: serving !== undefined,
    ...(serving ? { url: serving.url, startedAt: new Date(serving.startedAtMs).toISOString() } : {}),
    storage: { path: config.storage.path, ...usage },
    namespaces: Object.keys(config.namespaces ?? {}),
    mirrors: Object.keys(config.mirrors),
  };
}
