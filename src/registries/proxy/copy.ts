import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  type ManifestReference,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import type { Call } from '#core/registry';
import type { Place, ProxyContext } from './context.ts';
import { type Facts, type Local, standingOf } from './freshness.ts';
import type { NamedRule } from './rules.ts';
import type { KnownReference, Quota } from './types.ts';

/** What is asked of the manifests of a place: the content, or (HEAD) its descriptor. */
export type ManifestQuestion = {
  readonly place: Place;
  readonly reference: ManifestReference;
  readonly wants: 'manifest' | 'descriptor';
  readonly patience: NonNullable<Call['freshness']>;
  readonly call: Call;
};

/** What is asked of the blobs of a place. */
export type BlobQuestion = { readonly place: Place; readonly digest: Digest; readonly call: Call };

/** What is here of a reference, and what is known of it. */
export type Copy = {
  readonly local: Local;
  readonly rule: NamedRule;
  readonly known: KnownReference | undefined;
  /** What would be served. To a question about the descriptor it may be what was told, its content elsewhere. */
  readonly descriptor: Descriptor | undefined;
  /** The tag has moved there lately to this digest, whose content is not here yet. */
  readonly pending: Digest | undefined;
};

/** Throws what the store and the state throw. */
export async function lookAt(context: ProxyContext, question: ManifestQuestion): Promise<Copy> {
  const { place, reference } = question;
  const known = await context.state.find(place.local, reference);
  const look: Look = { context, question, known, rule: ruleOf(context, reference), atMs: context.clock.now() };
  if (isDigest(reference)) return await lookAtDigest(look, reference);
  return known?.digest === undefined
    ? await lookAtUnknownTag(look, reference)
    : await lookAtTag(look, { tag: reference, digest: known.digest, ageMs: look.atMs - known.checkedAtMs });
}

type Look = {
  readonly context: ProxyContext;
  readonly question: ManifestQuestion;
  readonly known: KnownReference | undefined;
  readonly rule: NamedRule;
  readonly atMs: number;
};

async function lookAtDigest(look: Look, digest: Digest): Promise<Copy> {
  const { context, question, known, rule } = look;
  const found = (await descriptorHere(context, question.place.local, digest)) ?? toldTo(look);
  const local = found ? 'fresh' : isNegative(look) ? 'negative' : 'none';
  return { local, rule, known, descriptor: found, pending: undefined };
}

type KnownTag = { readonly tag: TagName; readonly digest: Digest; readonly ageMs: number };

/** The upstream's word about a tag counts, not the tag here: that may still be at an older manifest. */
async function lookAtTag(look: Look, { tag, digest, ageMs }: KnownTag): Promise<Copy> {
  const { context, question, known, rule } = look;
  const { local } = question.place;
  const standing = standingOf(rule.rule, ageMs);
  const common = { rule, known, pending: undefined };
  const here = await descriptorHere(context, local, digest);
  if (here) return { ...common, local: standing, descriptor: here };
  const older = await descriptorHere(context, local, tag);
  if (!older) {
    const told = toldTo(look);
    return { ...common, local: told ? 'fresh' : 'none', descriptor: told };
  }
  const pending = standing === 'fresh' ? digest : undefined;
  return { ...common, local: standing === 'too-old' ? standing : 'within-sie', descriptor: older, pending };
}

/** There may be a copy of which nothing is known (that was lost), or of which the upstream said that it is no more. */
async function lookAtUnknownTag(look: Look, tag: TagName): Promise<Copy> {
  const { context, question, known, rule } = look;
  const here = await descriptorHere(context, question.place.local, tag);
  const local: Local = isNegative(look) ? (here ? 'gone' : 'negative') : here ? 'within-sie' : 'none';
  return { local, rule, known, descriptor: here, pending: undefined };
}

function isNegative({ known, rule, atMs }: Look): boolean {
  if (known === undefined || known.digest !== undefined) return false;
  const ageMs = atMs - known.checkedAtMs;
  return ageMs >= 0 && ageMs < rule.rule.negativeForMs;
}

/** A HEAD may be answered with what another HEAD was told, while that is fresh; it is no copy to fall back on. */
function toldTo({ question, known, rule, atMs }: Look): Descriptor | undefined {
  if (question.wants !== 'descriptor' || question.patience !== 'default' || known === undefined) return undefined;
  return standingOf(rule.rule, atMs - known.checkedAtMs) === 'fresh' ? toldDescriptor(known) : undefined;
}

/** Of a manifest somebody asked about by HEAD: what the answer was. */
function toldDescriptor(known: KnownReference | undefined): Descriptor | undefined {
  if (known?.digest === undefined || known.mediaType === undefined || known.sizeBytes === undefined) return undefined;
  return { mediaType: known.mediaType, digest: known.digest, size: known.sizeBytes };
}

function ruleOf({ compiled }: ProxyContext, reference: ManifestReference): NamedRule {
  return isDigest(reference) ? { name: 'digest', rule: compiled.lists } : compiled.freshnessOf(reference);
}

export function factsOf(context: ProxyContext, question: ManifestQuestion, { local, rule }: Copy): Facts {
  return {
    local,
    reference: isDigest(question.reference) ? 'digest' : 'tag',
    immutable: rule.rule.immutable,
    offline: rule.rule.offline,
    patience: question.patience,
    reserved: question.wants === 'manifest' && isReserved(context),
  };
}

/**
 * Whether every account of every address is known to be down to the reserve. A guess errs to asking: the upstream judges,
 * and a count of which nobody says when it begins anew would be in the way for ever.
 */
export function isReserved({ upstreams, clock }: ProxyContext): boolean {
  const nowMs = clock.now();
  return upstreams.every(({ upstream }) => {
    const { quotas, accounts, reservePulls } = upstream.state();
    const isDown = ({ remaining, resetAtMs = 0, seenAtMs }: Quota) =>
      remaining !== undefined && remaining <= reservePulls && resetAtMs > nowMs && seenAtMs <= nowMs;
    return reservePulls > 0 && quotas.length >= accounts && quotas.every(isDown);
  });
}

/** When the first account of the upstream has pulls again. */
export function resetAtMs({ upstreams }: ProxyContext): number | undefined {
  const times = upstreams.flatMap(({ upstream }) => upstream.state().quotas.flatMap((quota) => quota.resetAtMs ?? []));
  return times.length === 0 ? undefined : Math.min(...times);
}

export async function descriptorHere(
  { store }: ProxyContext,
  repository: RepositoryName,
  reference: ManifestReference,
): Promise<Descriptor | undefined> {
  return (await orUndefined(store.resolveManifest(repository, reference, KEEPER)))?.value;
}

/** What the store has; nothing where it says that it has not. */
export async function orUndefined<T>(answered: Promise<T>): Promise<T | undefined> {
  try {
    return await answered;
  } catch (thrown) {
    if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'NAME_UNKNOWN')) return undefined;
    throw thrown;
  }
}

/** The cache itself, looking at what it holds. */
export const KEEPER: Call = { principal: { kind: 'system', name: 'proxy' }, requestId: 'proxy', purpose: 'pull' };
