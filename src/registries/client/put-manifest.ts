import {
  algorithmOf,
  Bounds,
  type Digest,
  digestOf,
  manifestTooLarge,
  RegistryError,
  type RepositoryName,
  type TagName,
  tryParseDigest,
  tryParseTag,
} from '#core/oci';
import type { Call, PutManifestAnswer, PutManifestOptions } from '#core/registry';
import type { Answer } from './answer.ts';
import { type Context, send } from './context.ts';
import { invalidError } from './failure.ts';

/** Stores a manifest under its tags: one PUT where the registry takes several tags at once, else one for each. */
export async function putManifest(
  context: Context,
  repository: RepositoryName,
  { bytes, options }: { readonly bytes: Uint8Array; readonly options: PutManifestOptions },
  call: Call,
): Promise<PutManifestAnswer> {
  if (bytes.byteLength > Bounds.manifestBytes) throw manifestTooLarge(bytes.byteLength);
  const digest = digestOf(bytes, options.digest ? algorithmOf(options.digest) : 'sha256');
  if (options.digest !== undefined && options.digest !== digest) {
    throw new RegistryError('DIGEST_INVALID', `the manifest has digest ${digest}, not ${options.digest}`);
  }
  const put = { context, repository, bytes, mediaType: options.mediaType, digest };
  const first = await putFirst(put, options.tags, call);
  const subject = subjectOf(context, repository, first);
  const done = new Set(tagsOf(first));
  const [firstTag] = options.tags;
  if (firstTag !== undefined && !first.byDigest) done.add(firstTag);
  learn(context, options.tags, done);
  // One after another: an error then leaves the later tags as they were.
  for (const tag of options.tags.filter((wanted) => !done.has(wanted))) {
    await putOne(put, { reference: tag, tags: [] }, call);
    done.add(tag);
  }
  return {
    descriptor: { mediaType: options.mediaType, digest, size: bytes.byteLength },
    tags: options.tags.filter((tag) => done.has(tag)),
    ...(subject ? { subject } : {}),
  };
}

type Put = {
  readonly context: Context;
  readonly repository: RepositoryName;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: Digest;
};
type First = { readonly answer: Answer; readonly byDigest: boolean };

/** Spec: registries that take several tags take at least 10. */
const TAGS_TOGETHER = 10;

async function putFirst(put: Put, tags: readonly TagName[], call: Call): Promise<First> {
  const { context, digest } = put;
  const [tag, ...others] = tags;
  const together = tags.slice(0, TAGS_TOGETHER);
  if (tag === undefined) return { answer: await putOne(put, { reference: digest, tags: [] }, call), byDigest: true };
  const isKnown = context.quirks.multiTag === 'yes' || context.learned.multiTag === true;
  // A tag alone is stored by its sha256: another algorithm has to stand in the path.
  if (algorithmOf(digest) !== 'sha256' || (isKnown && others.length > 0)) {
    return { answer: await putOne(put, { reference: digest, tags: together }, call), byDigest: true };
  }
  const asks = others.length > 0 && context.quirks.multiTag === 'ask' && context.learned.multiTag === undefined;
  // Spec, "Pushing manifests with tags": a registry that does not know the parameters stores the first tag and ignores them.
  return { answer: await putOne(put, { reference: tag, tags: asks ? together : [] }, call), byDigest: false };
}

async function putOne(
  put: Put,
  { reference, tags }: { readonly reference: TagName | Digest; readonly tags: readonly TagName[] },
  call: Call,
): Promise<Answer> {
  const { context, repository, bytes, mediaType } = put;
  const request = { kind: 'manifestPut', repository, reference, tags } as const;
  const options = {
    accept: [201, 200, 202],
    unknown: 'NAME_UNKNOWN',
    headers: { 'content-type': mediaType },
    body: { kind: 'bytes', bytes },
  } as const;
  const answer = await send(context, request, options, call);
  await answer.drop();
  const stored = tryParseDigest(answer.headers.get('docker-content-digest') ?? '');
  if (stored !== undefined && stored !== digestOf(bytes, algorithmOf(stored))) {
    throw invalidError(answer.at, `it stored the manifest as ${stored} instead of ${put.digest}`);
  }
  return answer;
}

/** Tags that the registry says it set. Several headers arrive joined by commas. */
function tagsOf({ answer }: First): TagName[] {
  const header = answer.headers.get('oci-tag') ?? '';
  return header.split(',').flatMap((text) => tryParseTag(text.trim()) ?? []);
}

function learn(context: Context, wanted: readonly TagName[], done: ReadonlySet<TagName>): void {
  const together = wanted.slice(0, TAGS_TOGETHER);
  if (together.length > 1) context.learned.multiTag = together.every((tag) => done.has(tag));
}

/** Only the header tells that the registry keeps the referrers list; without it the pusher does. */
function subjectOf(context: Context, repository: RepositoryName, { answer }: First): Digest | undefined {
  const subject = tryParseDigest(answer.headers.get('oci-subject') ?? '');
  if (subject) context.learned.referrers.set(repository, true);
  return subject;
}
