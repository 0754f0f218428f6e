import { parsePlatform } from '#core/oci';
import { AppError } from '#core/std';
import { applyMirror, type MirrorEndpoint, type MirrorResult, type MirrorSpec } from '#engine/mirror';
import type { MirrorConfig } from '#surface/config';
import {
  type MirroredImage,
  type MirrorReport,
  type MirrorRequest,
  type Running,
  viewOfError,
} from '#surface/server/api';
import { type App, systemCall } from '../compose.ts';
import { HERE, mirrorProgress, placeName } from './mirror-progress.ts';
import { isLocalRepository } from './place.ts';

/** Applies mirrors, one after the other. A mirror that fails leaves the others alone. */
export async function applyMirrors(app: App, { names, audit }: MirrorRequest, running: Running): Promise<MirrorReport> {
  const { mirrors } = app.config;
  const wanted = names.length > 0 ? names : Object.keys(mirrors);
  const startedAtMs = app.machine.clock.now();
  const images: MirroredImage[] = [];
  let bytes = 0;
  let stopped = 0;
  for (const name of wanted) {
    const mirror = mirrors[name];
    if (!mirror) throw mirrorUnknown(name, Object.keys(mirrors));
    const applied = await applyOne(app, { name, mirror, audit }, running);
    images.push(...applied.images);
    bytes += applied.bytes;
    stopped += applied.stopped;
    if (running.signal.aborted) break;
  }
  const count = (outcome: MirroredImage['outcome']) => images.filter((image) => image.outcome === outcome).length;
  return {
    images,
    copied: count('copied'),
    unchanged: count('unchanged'),
    failed: count('failed'),
    stopped,
    bytes,
    durationMs: app.machine.clock.now() - startedAtMs,
  };
}

type Named = { readonly name: string; readonly mirror: MirrorConfig; readonly audit: boolean };
type Applied = { readonly images: MirroredImage[]; readonly bytes: number; readonly stopped: number };

async function applyOne(app: App, { name, mirror, audit }: Named, { onProgress, signal }: Running): Promise<Applied> {
  onProgress({ kind: 'run-started', title: `mirror ${name}: ${mirror.source} to ${mirror.destinations.join(', ')}` });
  const spec = specOf(name, mirror);
  const source = await sourceOf(app, mirror.source);
  const destinations = await Promise.all(mirror.destinations.map((text) => destinationOf(app, text)));
  const watch = mirrorProgress({
    source: source.name,
    destinations: destinations.length,
    tell: onProgress,
    now: app.machine.clock.now,
  });
  const done: MirroredImage[] = [];
  let selected = 0;
  try {
    const result = await applyMirror(spec, {
      source,
      destinations,
      state: app.mirrors,
      audit,
      clock: app.machine.clock,
      log: app.machine.log,
      call: systemCall('mirror', signal),
      onEvent: (event) => {
        if (event.kind === 'selected') selected += event.tags * destinations.length;
        if (event.kind === 'image-done') done.push(imageOf(name, event.result));
        watch(event);
      },
    });
    return { images: [...done, ...problemsOf(name, result)], bytes: result.totals.bytesUploaded, stopped: 0 };
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    // Stopped in an orderly way: what was copied is recorded, the next run goes on with the rest.
    return {
      images: done,
      bytes: done.reduce((sum, image) => sum + image.bytes, 0),
      stopped: Math.max(1, selected - done.length),
    };
  }
}

function specOf(name: string, mirror: MirrorConfig): MirrorSpec {
  const { tags } = mirror;
  return {
    name,
    repositories: mirror.repositories,
    tags: tags === undefined ? {} : Array.isArray(tags) ? { include: tags } : rulesOf(tags),
    rewrite: mirror.rewrite,
    ...(mirror.platforms ? { platforms: mirror.platforms.map(parsePlatform) } : {}),
  };
}

function rulesOf({ include, exclude, semver }: Extract<MirrorConfig['tags'], { include: string[] }>) {
  return {
    ...(include.length > 0 ? { include } : {}),
    ...(exclude.length > 0 ? { exclude } : {}),
    ...(semver === undefined ? {} : { semver }),
  };
}

async function sourceOf({ clients }: App, text: string): Promise<MirrorEndpoint> {
  const { host, prefix } = splitHost(text);
  return { name: host, registry: await clients.get(host, 'source'), prefix };
}

async function destinationOf({ clients, config, registry }: App, text: string): Promise<MirrorEndpoint> {
  const [first = ''] = text.split('/');
  const isHost = /[.:]/.test(first) || first === 'localhost';
  if (!isHost || (config.namespaces !== undefined && isLocalRepository(text, config))) {
    return { name: HERE, registry, prefix: text };
  }
  const { host, prefix } = splitHost(text);
  return { name: host, registry: await clients.get(host, 'destination'), prefix };
}

function splitHost(text: string): { host: string; prefix: string } {
  const slash = text.indexOf('/');
  return slash < 0 ? { host: text, prefix: '' } : { host: text.slice(0, slash), prefix: text.slice(slash + 1) };
}

function imageOf(mirror: string, result: MirrorResult['images'][number]): MirroredImage {
  const { digest, error } = result;
  return {
    mirror,
    source: placeName(result.source),
    destination: placeName(result.destination),
    outcome: result.status,
    bytes: result.totals?.bytesUploaded ?? 0,
    ...(digest === undefined ? {} : { digest }),
    ...(error ? { error: viewOfError(error) } : {}),
  };
}

/** A repository that could not be read counts as one failure. */
function problemsOf(mirror: string, { problems }: MirrorResult): MirroredImage[] {
  return problems.map(({ repository, error }) => ({
    mirror,
    source: repository,
    destination: '',
    outcome: 'failed',
    bytes: 0,
    error: viewOfError(error),
  }));
}

function mirrorUnknown(name: string, known: readonly string[]): AppError {
  return new AppError('MIRROR_UNKNOWN', `there is no mirror "${name}"`, {
    why: `the configuration of the server has ${known.join(', ') || 'none'}`,
    hint: 'restart the server after a change of its configuration',
  });
}
