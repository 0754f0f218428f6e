import {
  type Digest,
  digestOf,
  MediaType,
  parseManifest,
  parseRepository,
  parseTag,
  type RepositoryName,
  requiredBlobs,
} from '#core/oci';
import { bodyOf, type Call } from '#core/registry';
import type { Store } from '../store.ts';
import { blobOf, growingBlobs, manifestOf, type SampleBlob } from './sample.ts';

/**
 * One step of a workload: what it does, and what must hold once it was acknowledged.
 * While it is unacknowledged its effects may be there or not, but never by half.
 */
export type Step = {
  readonly name: string;
  act(store: Store): Promise<unknown>;
  /** Blobs and tags that are there from now on (`repository digest`, `repository:tag digest`), and those that are gone. */
  readonly adds?: readonly string[];
  readonly removes?: readonly string[];
};

export const faultCall: Call = {
  principal: { kind: 'person', name: 'alice' },
  requestId: 'fault',
  purpose: 'push',
};
const app = parseRepository('team/app');
const other = parseRepository('team/other');

/** Pushes, chunks, mounts, moves, deletes and reclaims: every kind of change that a store makes. */
export function storeWorkload(): Step[] {
  const [config, layer, chunked, loose] = [
    blobOf('config'),
    blobOf('layer', 5000),
    blobOf('chunked', 900),
    blobOf('loose'),
  ];
  const first = manifestOf(config, [layer], 'first');
  const second = manifestOf(config, [layer, chunked], 'second');
  type Put = { readonly in: RepositoryName; readonly manifest: typeof first; readonly tags: readonly string[] };
  const put = (name: string, { in: repository, manifest, tags }: Put): Step => ({
    name,
    act: (store) => {
      const options = { mediaType: MediaType.ociManifest, tags: tags.map(parseTag) };
      return store.putManifest(repository, manifest.bytes, options, faultCall);
    },
    adds: tags.map((tag) => `${repository}:${tag} ${manifest.digest}`),
  });
  const push = (name: string, blob: SampleBlob): Step => ({
    name,
    act: (store) => store.putBlob(app, { digest: blob.digest }, blob.bytes, faultCall),
    adds: [`${app} ${blob.digest}`],
  });
  return [
    push('push a config', config),
    push('push a layer', layer),
    put('push a manifest', { in: app, manifest: first, tags: ['v1', 'latest'] }),
    { name: 'push a layer in chunks', act: (store) => pushChunks(store, chunked), adds: [`${app} ${chunked.digest}`] },
    put('move a tag', { in: app, manifest: second, tags: ['latest'] }),
    ...[config, layer].map((blob) => ({
      name: 'mount a blob',
      act: (store: Store) => store.mountBlob(other, blob.digest, { from: app, mayRead: () => true }, faultCall),
      adds: [`${other} ${blob.digest}`],
    })),
    put('push a manifest of mounted blobs', { in: other, manifest: first, tags: ['v1'] }),
    push('push what nothing will reference', loose),
    { name: 'delete a tag', act: (store) => store.deleteTag(app, parseTag('v1'), faultCall), removes: [`${app}:v1`] },
    { name: 'reclaim', act: (store) => store.gcRun({ graceMs: 0 }), removes: [`${app} ${loose.digest}`] },
    {
      name: 'delete a manifest',
      act: (store) => store.deleteManifest(app, second.digest, faultCall),
      removes: [`${app}:latest`],
    },
    {
      name: 'reclaim what it held',
      act: (store) => store.gcRun({ graceMs: 0, untagged: true }),
      removes: [config, layer, chunked].map((blob) => `${app} ${blob.digest}`),
    },
    push('push again what was reclaimed', chunked),
    {
      name: 'begin an upload and leave it',
      act: async (store) => (await store.startUpload(app, {}, faultCall)).append(loose.bytes, {}, faultCall),
    },
  ];
}

async function pushChunks(store: Store, blob: SampleBlob): Promise<void> {
  const upload = await store.startUpload(app, {}, faultCall);
  await upload.append(blob.bytes.subarray(0, 400), { start: 0 }, faultCall);
  await upload.append(blob.bytes.subarray(400, 700), { start: 400 }, faultCall);
  await upload.commit(blob.digest, { body: blob.bytes.subarray(700), start: 700 }, faultCall);
}

/** What must hold after a workload that ended anywhere; `undecided` is the step that was under way. */
export type Expected = { readonly there: Set<string>; readonly gone: Set<string> };

/** Runs the steps until one fails; what was acknowledged by then, and the step that was not. */
export async function runWorkload(
  store: Store,
  steps: readonly Step[],
  onAcknowledged: (step: Step) => void = () => {},
): Promise<Expected & { failed?: Step; error?: unknown }> {
  const done: Step[] = [];
  for (const step of steps) {
    try {
      await step.act(store);
    } catch (error) {
      return { ...expectedAfter(done, step), failed: step, error };
    }
    done.push(step);
    onAcknowledged(step);
  }
  return expectedAfter(done, undefined);
}

/** What must hold after these steps, whatever came of the one that was under way. */
export function expectedAfter(done: readonly Step[], undecided: Step | undefined): Expected {
  const expected = { there: new Set<string>(), gone: new Set<string>() };
  for (const step of done) {
    for (const fact of step.adds ?? []) settle(expected, fact, expected.there);
    for (const fact of step.removes ?? []) settle(expected, fact, expected.gone);
  }
  for (const fact of [...(undecided?.adds ?? []), ...(undecided?.removes ?? [])]) forget(expected, fact);
  return expected;
}

function settle(expected: Expected, fact: string, side: Set<string>): void {
  forget(expected, fact);
  side.add(fact);
}

/** A fact's key is its blob, or its tag whatever it points at. */
function forget({ there, gone }: Expected, fact: string): void {
  const key = keyOf(fact);
  for (const known of [...there]) if (keyOf(known) === key) there.delete(known);
  for (const known of [...gone]) if (keyOf(known) === key) gone.delete(known);
}
const keyOf = (fact: string) => (/:[^ ]*(?: |$)/.test(fact.split(' ')[0] ?? '') ? (fact.split(' ')[0] ?? '') : fact);

/** Every difference between a store and what must hold of it; none is the answer wanted. */
export async function findFaults(store: Store, expected: Expected): Promise<string[]> {
  const faults: string[] = [];
  const report = await store.scrub();
  for (const damage of report.damaged) faults.push(`damaged: ${damage.kind} ${damage.digest} ${damage.reason}`);
  for (const fact of expected.there) if (!(await holds(store, fact))) faults.push(`lost: ${fact}`);
  for (const fact of expected.gone) if (await holds(store, fact)) faults.push(`came back: ${fact}`);
  for (const repository of [app, other]) faults.push(...(await findOpenTags(store, repository)));
  faults.push(...(await findBadParts(store)));
  return faults;
}

async function holds(store: Store, fact: string): Promise<boolean> {
  const [place = '', digest] = fact.split(' ');
  const colon = place.indexOf(':');
  try {
    if (colon < 0) return await holdsBlob(store, parseRepository(place), digest as Digest);
    const answer = await store.getManifest(
      parseRepository(place.slice(0, colon)),
      parseTag(place.slice(colon + 1)),
      faultCall,
    );
    const actual = digestOf(answer.value.bytes);
    return actual === answer.value.descriptor.digest && (digest === undefined || actual === digest);
  } catch {
    return false;
  }
}

async function holdsBlob(store: Store, repository: RepositoryName, digest: Digest): Promise<boolean> {
  const answer = await store.getBlob(repository, digest, {}, faultCall);
  return digestOf(await new Response(bodyOf(answer.value)).bytes()) === digest;
}

/** What is kept of a blob on its way in must be its beginning: readers get it before the whole is known to be right. */
async function findBadParts(store: Store): Promise<string[]> {
  const bad: string[] = [];
  for (const { digest, sizeBytes } of await store.cache.parts.list()) {
    const part = await store.cache.parts.open(digest);
    const bytes = await new Response(part.read({ start: 0, end: sizeBytes })).bytes();
    const wanted = growingBlobs()
      .find((blob) => blob.digest === digest)
      ?.bytes.subarray(0, sizeBytes);
    if (!wanted || digestOf(bytes) !== digestOf(wanted)) bad.push(`a part holds other bytes: ${digest}`);
    await part.close();
  }
  return bad;
}

/** Tags whose manifest, or a blob that it needs, is not there. */
async function findOpenTags(store: Store, repository: RepositoryName): Promise<string[]> {
  const tags = await store.tags(repository, { limit: 100 }, faultCall).catch(() => undefined);
  const open: string[] = [];
  for (const tag of tags?.value.items ?? []) {
    const found = await store.getManifest(repository, tag, faultCall).catch(() => undefined);
    if (!found) {
      open.push(`tag without its manifest: ${repository}:${tag}`);
      continue;
    }
    const manifest = parseManifest(found.value.bytes, found.value.descriptor.mediaType);
    for (const { digest } of requiredBlobs(manifest)) {
      const held = await holdsBlob(store, repository, digest).catch(() => false);
      if (!held) open.push(`tag without a blob: ${repository}:${tag} ${digest}`);
    }
  }
  return open;
}
