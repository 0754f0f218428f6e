import type { RepositoryName, TagName } from '#core/oci';
import { type CopyEvent, type CopyRun, createCopyRun, missingContent } from '#core/registry';
import { AppError, createLimiter, type Limiter, mapLimited, messageOf } from '#core/std';
import { createDiscovery, type Discovery } from './discover.ts';
import { createKnowledge, type Knowledge } from './knowledge.ts';
import { type Place, planImage, platformsKey, sourceName } from './plan.ts';
import { createReport, type Report } from './report.ts';
import { findRepositories } from './repositories.ts';
import { repositoryAt, repositoryRules, tagSelector } from './select.ts';
import type { ImageResult, MirrorOptions, MirrorResult, MirrorSpec, MirrorStep, SourceImage } from './types.ts';

/** Repositories looked at, and images copied, at once: blobs and requests have limits of their own. */
const REPOSITORIES_AT_ONCE = 4;
const IMAGES_AT_ONCE = 16;
/** A mirror reads its source's tag lists to the end: ten million tags of 1,000 a page. */
const TAG_PAGES = 10_000;

type Applying = {
  readonly spec: MirrorSpec;
  readonly options: MirrorOptions;
  readonly run: CopyRun;
  readonly knowledge: Knowledge;
  readonly report: Report;
  readonly select: ReturnType<typeof tagSelector>['select'];
};

/**
 * Brings the destinations to what the spec says of the source: looks, decides, copies. One image's failure leaves
 * the others alone and stands in the result. Nothing is deleted. Throws PATTERN_INVALID, NAME_INVALID for a wrong
 * spec, and the signal's reason once all has ended cleanly; what was copied until then is recorded.
 */
export async function applyMirror(spec: MirrorSpec, options: MirrorOptions): Promise<MirrorResult> {
  const { source, call, clock, onEvent = () => {} } = options;
  const rules = repositoryRules(spec, source);
  const { select } = tagSelector(spec.tags);
  const startedAtMs = clock.now();
  const knowledge = createKnowledge(options);
  const report = createReport(options);
  const run = createCopyRun({
    source,
    call,
    clock,
    known: knowledge.known,
    limits: { tagPages: TAG_PAGES, ...options.limits },
    onEvent: (event: CopyEvent) => {
      knowledge.note(event);
      onEvent({ kind: 'copy', event });
    },
  });
  const applying: Applying = { spec, options, run, knowledge, report, select };
  const repositories = await findRepositories(rules, { source, call, problem: report.problem });
  const images = createLimiter(IMAGES_AT_ONCE);
  try {
    await mapLimited(repositories, REPOSITORIES_AT_ONCE, (each) => applyRepository(applying, each, images));
  } finally {
    await knowledge.flush();
  }
  call.signal?.throwIfAborted();
  return report.result({ mirror: spec.name, startedAtMs, endedAtMs: clock.now(), moved: run.moved() });
}

async function applyRepository(applying: Applying, repository: RepositoryName, images: Limiter): Promise<void> {
  const { run, report, options, select } = applying;
  const signal = options.call.signal;
  signal?.throwIfAborted();
  const listing = await run.source.tags(repository).catch((thrown: unknown) => {
    signal?.throwIfAborted();
    report.problem({ repository, error: asAppError(thrown) });
  });
  if (!listing) return;
  if (!listing.known) report.problem({ repository, error: repositoryMissing(options.source.name, repository) });
  const { tags, missing } = select(listing.names);
  options.onEvent?.({ kind: 'selected', repository, tags: tags.length });
  if (listing.known)
    for (const tag of missing) report.problem({ repository, error: tagMissing(options.source.name, repository, tag) });
  const discovery = createDiscovery(run.source, repository);
  await mapLimited(tags, IMAGES_AT_ONCE, (tag) =>
    images.run(() => applyTag(applying, { repository, tag, discovery }), signal),
  );
  run.source.forget(repository);
}

type Tagged = { readonly repository: RepositoryName; readonly tag: TagName; readonly discovery: Discovery };

async function applyTag(applying: Applying, { repository, tag, discovery }: Tagged): Promise<void> {
  const { spec, options, report } = applying;
  const { source, call } = options;
  const places = await placesOf(applying, repository, tag);
  try {
    const image = await discovery.image(tag, places);
    const steps = planImage(image, places, { source: source.name, platforms: platformsKey(spec.platforms) });
    await carryOut(applying, image, options.audit ? await audited(applying, steps) : steps);
  } catch (thrown) {
    call.signal?.throwIfAborted();
    for (const place of places) {
      const step = { ...place, image: { repository, tag } };
      report.image({ ...namesOf(source.name, step), status: 'failed', error: asAppError(thrown) });
    }
  }
}

async function placesOf({ spec, options }: Applying, repository: RepositoryName, tag: TagName): Promise<Place[]> {
  const { source, state, destinations } = options;
  return await Promise.all(
    destinations.map(async (destination): Promise<Place> => {
      const there = repositoryAt(repository, { source, destination, rewrite: spec.rewrite });
      const record = await state.image({ destination: destination.name, repository: there, tag });
      return { destination, repository: there, tag, ...(record ? { record } : {}) };
    }),
  );
}

/** Believes nothing: a step stays `unchanged` only if the destination has it all. */
async function audited({ spec, options }: Applying, steps: readonly MirrorStep[]): Promise<MirrorStep[]> {
  return await Promise.all(
    steps.map(async (step): Promise<MirrorStep> => {
      if (step.action === 'copy') return step;
      const { registry } = step.destination;
      const { repository, tag, image } = step;
      const platforms = spec.platforms ?? [];
      const [head, missing] = await Promise.all([
        registry.resolveManifest(repository, tag, options.call).catch(() => undefined),
        missingContent(registry, { repository, reference: image.digest, platforms }, options.call).catch(
          () => undefined,
        ),
      ]);
      // What cannot be looked at is copied, and that says what is wrong.
      const whole = head?.value.digest === image.digest && missing?.length === 0;
      return whole ? step : { ...step, action: 'copy', reason: 'drift' };
    }),
  );
}

async function carryOut(applying: Applying, image: SourceImage, steps: readonly MirrorStep[]): Promise<void> {
  const { spec, options, report, run, knowledge } = applying;
  const { source, state, clock } = options;
  for (const step of steps) {
    if (step.action === 'copy') continue;
    report.image({ ...namesOf(source.name, step), status: 'unchanged', reason: step.reason, digest: image.digest });
  }
  const copies = steps.filter(({ action }) => action === 'copy');
  if (copies.length === 0) return;
  const outcome = await run.copyImage({
    repository: image.repository,
    reference: image.digest,
    platforms: spec.platforms ?? [],
    targets: copies.map(({ destination, repository, tag }) => ({ destination, repository, tags: [tag] })),
  });
  const { digest, manifests, companions } = outcome;
  // What was listed and could not be read is looked for again: it must not pass for copied.
  const came = new Set(manifests);
  const landed = { ...companions, referrers: companions.referrers.filter((referrer) => came.has(referrer)) };
  const results = outcome.results.map(({ error, totals }, index) => ({ error, totals, step: copies[index] }));
  await state.saveImages(
    results.flatMap(({ error, step }) => {
      if (error || !step) return [];
      return {
        destination: step.destination.name,
        repository: step.repository,
        tag: step.tag,
        source: sourceName(source.name, image),
        platforms: platformsKey(spec.platforms),
        verifiedAtMs: clock.now(),
        digest,
        manifests,
        companions: landed,
      };
    }),
  );
  await knowledge.flush();
  for (const { error, totals, step } of results) {
    if (!step) continue;
    const status = error ? { status: 'failed' as const, error } : { status: 'copied' as const };
    report.image({ ...namesOf(source.name, step), ...status, reason: step.reason, digest, totals });
  }
}

type Named = Pick<MirrorStep, 'destination' | 'repository' | 'tag'> & {
  readonly image: Pick<SourceImage, 'repository' | 'tag'>;
};

function namesOf(
  registry: string,
  { image, destination, repository, tag }: Named,
): Pick<ImageResult, 'source' | 'destination'> {
  return {
    source: { registry, repository: image.repository, tag: image.tag },
    destination: { registry: destination.name, repository, tag },
  };
}

function repositoryMissing(registry: string, repository: RepositoryName): AppError {
  return new AppError('NAME_UNKNOWN', `${registry} has no repository ${repository}`, {
    why: 'the source answers that it knows no such name, or hides it from this account',
    hint: `correct it under "repositories", or see what there is: entrepot repo list ${registry}`,
  });
}

function tagMissing(registry: string, repository: RepositoryName, tag: string): AppError {
  return new AppError('MANIFEST_UNKNOWN', `${registry}/${repository} has no tag ${tag}`, {
    why: 'the mirror names it, and the source does not list it',
    hint: `correct it under "tags", or see what there is: entrepot tag list ${registry}/${repository}`,
  });
}

/** What went wrong, in the shape that a person meets. */
function asAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError('INTERNAL', messageOf(thrown), { cause: thrown });
}
