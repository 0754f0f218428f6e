import {
  type ManifestReference,
  type Platform,
  parsePlatform,
  parseTag,
  RegistryError,
  type RepositoryName,
} from '#core/oci';
import type { Call } from '#core/registry';
import { AppError } from '#core/std';
import type { Proxy as ProxyRegistry, WarmProgress } from '#registries/proxy';
import { listOf, looksLikeHost, nameAt, namespaceOf, nearest, parseNamedImage, upstreamPlace } from '#surface/config';
import { type Running, viewOfError, type WarmedImage, type WarmReport, type WarmRequest } from '#surface/server/api';
import { type App, systemCall } from '../compose.ts';
import { proxyEntries } from '../proxies.ts';
import { parsePlace } from './place.ts';

type Target = {
  readonly proxy: ProxyRegistry;
  readonly repository: RepositoryName;
  readonly reference: ManifestReference;
};

/** Fetches images into their namespaces, one after the other: quotas are for whoever waits for a pull. */
export async function warmImages(app: App, request: WarmRequest, running: Running): Promise<WarmReport> {
  const { clock } = app.machine;
  const startedAtMs = clock.now();
  const platforms = request.platforms.map(parsePlatform);
  // All are looked up before the first is fetched: a mistyped name is said at once.
  const targets = request.images.map((text) => targetOf(app, text));
  running.onProgress({ kind: 'run-planned', images: targets.length });
  const images: WarmedImage[] = [];
  for (const target of targets) images.push(await warmOne(app, { target, platforms }, running));
  const newBytes = images.reduce((sum, image) => sum + image.newBytes, 0);
  return { images, newBytes, durationMs: clock.now() - startedAtMs };
}

/** Images of the configuration's `warm` lists, as `warmImages` names them. */
export function configuredWarm(config: App['config']): string[] {
  return proxyEntries(config).flatMap(([name, { upstream, warm }]) =>
    warm.map((text) => {
      const { repository, reference } = parseNamedImage(text, upstreamPlace(listOf(upstream)[0] ?? ''));
      return nameOf(`${name}/${repository}`, reference);
    }),
  );
}

function nameOf(repository: string, reference: ManifestReference): string {
  return `${repository}${reference.includes(':') ? '@' : ':'}${reference}`;
}

type Work = { readonly target: Target; readonly platforms: readonly Platform[] };

async function warmOne({ machine }: App, { target, platforms }: Work, running: Running): Promise<WarmedImage> {
  const { proxy, repository, reference } = target;
  const image = nameOf(repository, reference);
  const startedAtMs = machine.clock.now();
  const call: Call = { ...systemCall('warm', running.signal), purpose: 'warm' };
  running.onProgress({ kind: 'image-started', image });
  const onProgress = progressOf(image, running);
  const done = (outcome: 'copied' | 'unchanged' | 'failed', bytes: number, thrown?: unknown) =>
    running.onProgress({
      kind: 'image-done',
      image,
      outcome,
      bytes,
      durationMs: machine.clock.now() - startedAtMs,
      ...(thrown === undefined ? {} : { error: viewOfError(thrown) }),
    });
  try {
    const { descriptor, ...counts } = await proxy.warm(repository, reference, { platforms, onProgress }, call);
    const isNew = counts.newBytes > 0;
    done(isNew ? 'copied' : 'unchanged', counts.newBytes);
    return { image, outcome: isNew ? 'fetched' : 'here', digest: descriptor.digest, ...counts };
  } catch (thrown) {
    if (running.signal.aborted || !(thrown instanceof AppError)) throw thrown;
    done('failed', 0, thrown);
    return { image, outcome: 'failed', manifests: 0, blobs: 0, bytes: 0, newBytes: 0, error: viewOfError(thrown) };
  }
}

/** Progress of one image in the form that all jobs have. What is found is what is done: sizes are known as it goes. */
function progressOf(image: string, { onProgress }: Running): (progress: WarmProgress) => void {
  let doneBytes = 0;
  return (progress) => {
    if (progress.kind === 'waiting') {
      const until = new Date(progress.untilMs).toISOString();
      onProgress({ kind: 'warning', message: `${image} waits until ${until}: ${progress.why}` });
      return;
    }
    if (!progress.isNew) return;
    doneBytes += progress.descriptor.size;
    onProgress({ kind: 'image-planned', image, totalBytes: doneBytes });
    onProgress({ kind: 'image-progress', image, doneBytes });
  };
}

/** `hub/library/redis:7`, or `docker.io/library/redis:7` by the namespace that reads it. Throws REQUEST_INVALID, USAGE. */
function targetOf(app: App, text: string): Target {
  const place = parsePlace(text, app.config);
  if (place.kind === 'layout')
    throw new RegistryError('REQUEST_INVALID', `${text} is a file: nothing is fetched for it`);
  const name = place.kind === 'local' ? place.repository : localName(app, place.host, place.repository);
  const proxy = name === undefined ? undefined : app.proxyOf(name);
  if (name === undefined || !proxy) throw notProxied(app, text);
  const repository = proxy.canonicalName(name as RepositoryName);
  return { proxy, repository, reference: place.reference ?? parseTag('latest') };
}

function localName({ config }: App, host: string, repository: string): string | undefined {
  for (const [name, { upstream }] of proxyEntries(config)) {
    for (const place of listOf(upstream).map(upstreamPlace)) {
      const start = nameAt(place, '');
      if (place.host === host && repository.startsWith(start)) return `${name}/${repository.slice(start.length)}`;
    }
  }
  return undefined;
}

function notProxied({ config }: App, text: string): AppError {
  const proxies = proxyEntries(config).map(([name]) => name);
  const [first = ''] = text.split('/');
  const type = config.namespaces?.[namespaceOf(config.namespaces, text) ?? '']?.type;
  const meant = type === undefined ? nearest(first, proxies) : undefined;
  return new AppError('USAGE', `${text} is in no proxy namespace`, {
    why: proxies.length === 0 ? 'the configuration has none' : `proxy namespaces: ${proxies.join(', ')}`,
    hint: meant === undefined ? HINTS[type ?? 'elsewhere'](first, text) : `did you mean ${meant}?`,
  });
}

type Hint = (first: string, text: string) => string;

const HINTS: Readonly<Record<'hosted' | 'proxy' | 'virtual' | 'elsewhere', Hint>> = {
  hosted: (first) => `nothing is fetched for ${first}: what it has was pushed or mirrored there`,
  proxy: (_first, text) => `entrepot image show ${text}`,
  virtual: (first) => `${first} is virtual: write the name at the member that reads it`,
  elsewhere: (first) =>
    looksLikeHost(first) ? `add a namespace { type: proxy, upstream: ${first} }` : 'entrepot namespace list',
};
