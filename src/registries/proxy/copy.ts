import {
  type Descriptor,
  type Digest,
  isDigest,
  isRegistryError,
  type ManifestReference,
  type RepositoryName,
} from '#core/oci';
import type { Call } from '#core/registry';
import type { Place, ProxyContext } from './context.ts';
import { type Facts, type Local, standingOf } from './freshness.ts';
import type { NamedRule } from './rules.ts';
import type { FreshnessRule, KnownReference } from './types.ts';

/** What is asked of the manifests of a place: the content, or (HEAD) its descriptor. */
export type ManifestQuestion = {
  readonly place: Place;
  readonly reference: ManifestReference;
  readonly wants: 'manifest' | 'descriptor';
  readonly patience: NonNullable<Call['freshness']>;
  readonly call: Call;
};

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
  const rule = ruleOf(context, reference);
  const known = await context.state.find(place.local, reference);
  const atMs = context.clock.now();
  const common = { rule, known, pending: undefined };
  if (isDigest(reference)) {
    const here = await descriptorHere(context, place.local, reference);
    if (here) return { ...common, local: 'fresh', descriptor: here };
    const told = toldTo(question, rule.rule, { known, atMs });
    if (told) return { ...common, local: 'fresh', descriptor: told };
    return { ...common, local: isNegative(known, rule.rule, atMs) ? 'negative' : 'none', descriptor: undefined };
  }
  if (known?.digest !== undefined) {
    const standing = standingOf(rule.rule, atMs - known.checkedAtMs);
    const here = await descriptorHere(context, place.local, known.digest);
    if (here) return { ...common, local: standing, descriptor: here };
    const told = toldTo(question, rule.rule, { known, atMs });
    if (told) return { ...common, local: 'fresh', descriptor: told };
    const older = await descriptorHere(context, place.local, reference);
    if (!older) return { ...common, local: 'none', descriptor: undefined };
    const pending = standing === 'fresh' ? known.digest : undefined;
    return { ...common, local: standing === 'too-old' ? standing : 'within-sie', descriptor: older, pending };
  }
  // A copy of which nothing is known (the state was lost), or of which the upstream said that it is no more.
  const here = await descriptorHere(context, place.local, reference);
  const local = isNegative(known, rule.rule, atMs) ? (here ? 'gone' : 'negative') : here ? 'within-sie' : 'none';
  return { ...common, local, descriptor: here };
}

function isNegative(known: KnownReference | undefined, rule: FreshnessRule, atMs: number): boolean {
  if (known === undefined || known.digest !== undefined) return false;
  const ageMs = atMs - known.checkedAtMs;
  return ageMs >= 0 && ageMs < rule.negativeForMs;
}

type Told = { readonly known: KnownReference | undefined; readonly atMs: number };

/** A HEAD may be answered with what another HEAD was told, while that is fresh; it is no copy to fall back on. */
function toldTo(
  { wants, patience }: ManifestQuestion,
  rule: FreshnessRule,
  { known, atMs }: Told,
): Descriptor | undefined {
  if (wants !== 'descriptor' || patience !== 'default' || known === undefined) return undefined;
  return standingOf(rule, atMs - known.checkedAtMs) === 'fresh' ? toldDescriptor(known) : undefined;
}

/** Of a manifest somebody asked about by HEAD: what the answer was. */
export function toldDescriptor(known: KnownReference | undefined): Descriptor | undefined {
  if (known?.digest === undefined || known.mediaType === undefined || known.sizeBytes === undefined) return undefined;
  return { mediaType: known.mediaType, digest: known.digest, size: known.sizeBytes };
}

export function ruleOf({ compiled }: ProxyContext, reference: ManifestReference): NamedRule {
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

/** Whether every account of every address is known to be below the reserve. A guess errs to asking: the upstream judges. */
export function isReserved({ upstreams, clock }: ProxyContext): boolean {
  const nowMs = clock.now();
  return upstreams.every(({ upstream }) => {
    const { quotas, reservePulls } = upstream.state();
    return (
      quotas.length > 0 &&
      quotas.every(
        ({ remaining, resetAtMs }) =>
          remaining !== undefined && remaining < reservePulls && (resetAtMs === undefined || resetAtMs > nowMs),
      )
    );
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
  try {
    return (await store.resolveManifest(repository, reference, KEEPER)).value;
  } catch (thrown) {
    if (isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) return undefined;
    throw thrown;
  }
}

/** The cache itself, looking at what it holds. */
export const KEEPER: Call = { principal: { kind: 'system', name: 'proxy' }, requestId: 'proxy', purpose: 'pull' };
