import { isDigest, isRegistryError, type ManifestReference, parseRepository, RegistryError } from '#core/oci';
import type { Damage } from '#registries/store';
import type { Deleted, Operations, Running, Status } from '#surface/server/api';
import { type App, systemCall } from '../compose.ts';
import { durationOf } from '../duration.ts';
import { deleteImage, type Shelf, showImage } from './image.ts';
import { listImages, listRepositories, listTags } from './list.ts';
import { parseManifestReference } from './manifest-reference.ts';
import { findCacheEntry } from './member-entry.ts';
import { applyMirrors } from './mirror-apply.ts';
import { proxyOperations } from './proxy-operations.ts';
import { proxyItems, upstreamItems } from './proxy-view.ts';

/** Where and since when this process serves; absent in a command. */
export type ServingFacts = { readonly url: string; readonly startedAtMs: number };

/** What can be done to an app's own state, for the API and for commands that hold the folder. */
export function createOperations(app: App, serving: () => ServingFacts | undefined): Operations {
  const call = systemCall('command');
  const shelf = (text: string): Shelf => {
    const repository = parseRepository(text);
    return { registry: app.shelves, repository: app.proxyOf(text)?.canonicalName(repository) ?? repository, call };
  };
  const graceMs = durationOf(app.config.storage.gcGrace);
  return {
    status: () => statusOf(app, serving()),
    config: async () => ({ ...app.config }),
    repositories: (options) => listRepositories(app.shelves, options, call),
    tags: (repository, options) => listTags(shelf(repository), options),
    images: (repository, options) => listImages(shelf(repository), options),
    image: (repository, reference) => showImage(shelf(repository), parseManifestReference(reference)),
    deleteImage: (repository, reference) => removeImage(app, shelf(repository), parseManifestReference(reference)),
    ...proxyOperations(app, call),
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
      const scrubbed = await app.store.scrub({ signal: running.signal, onProgress });
      const { blobs, blobBytes, manifests, damaged, forgotten } = scrubbed;
      return {
        blobs,
        manifests,
        readBytes: blobBytes,
        damaged: damaged.map(damageView),
        forgotten: forgotten.map(damageView),
      };
    },
    mirrorApply: (request, running) => applyMirrors(app, request, running),
  };
}

function damageView({ repositories, caches, ...damage }: Damage) {
  return { ...damage, repositories: [...repositories], caches: [...caches] };
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

/** Of a proxy the copy goes, and what is known of it; elsewhere the image itself. */
async function removeImage(app: App, shelf: Shelf, reference: ManifestReference): Promise<Deleted> {
  const { repository, call } = shelf;
  const proxy = app.proxyOf(repository);
  if (!proxy) return await removeOwn(app, shelf, reference);
  await proxy.forget(repository, reference, call);
  return { repository, reference, what: 'copy' };
}

async function removeOwn(app: App, shelf: Shelf, reference: ManifestReference): Promise<Deleted> {
  try {
    return await deleteImage({ ...shelf, registry: app.registry }, reference);
  } catch (thrown) {
    const { repository, call } = shelf;
    const copy = isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')
      ? await findCacheEntry(app, { repository, reference }, call)
      : undefined;
    if (copy?.cached !== true) throw thrown;
    const name = `${copy.repository}${isDigest(reference) ? '@' : ':'}${reference}`;
    throw new RegistryError('MANIFEST_UNKNOWN', `${repository} has no ${reference} of its own`, {
      why: `what is shown there is ${name}, a copy`,
      hint: `entrepot image delete ${name} forgets it`,
      cause: thrown,
    });
  }
}

async function statusOf(app: App, serving: ServingFacts | undefined): Promise<Status> {
  const { config, machine, store } = app;
  const usage = await store.usage();
  return {
    version: machine.version,
    serving: serving !== undefined,
    ...(serving ? { url: serving.url, startedAt: new Date(serving.startedAtMs).toISOString() } : {}),
    storage: { path: config.storage.path, ...usage },
    namespaces: Object.keys(config.namespaces ?? {}),
    proxies: await proxyItems(app),
    upstreams: upstreamItems(app),
    mirrors: Object.keys(config.mirrors),
  };
}
