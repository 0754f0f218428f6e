import { isDigest, type ManifestReference, type RepositoryName } from '#core/oci';
import type { Call } from '#core/registry';
import { ageSeconds, type ProxyContext, timeText } from './context.ts';
import { type Copy, factsOf, lookAt, type ManifestQuestion } from './copy.ts';
import { decide, type Step } from './freshness.ts';
import { blobsHere } from './graph.ts';
import type { Explanation } from './types.ts';

/** Why the next pull would be answered as it would: the same look and the same decision, and nobody is asked. */
export async function explain(
  context: ProxyContext,
  repository: RepositoryName,
  reference: ManifestReference,
  call: Call,
): Promise<Explanation> {
  const place = context.findPlace(repository);
  const { namespace, host } = context;
  const upstream = { host, repository: place.upstream[0] ?? place.local };
  const common = { namespace, repository: place.local, reference, upstream };
  if (place.refusal) {
    const why = place.refusal.message(place.local);
    return { ...common, rule: place.refusal.rule, cached: false, next: 'denied', why };
  }
  const { freshness: _, ...rest } = call;
  const question: ManifestQuestion = { place, reference, wants: 'manifest', patience: 'default', call: rest };
  const copy = await lookAt(context, question);
  const step = decide(factsOf(context, question, copy));
  return {
    ...common,
    rule: copy.rule.name,
    cached: copy.descriptor !== undefined,
    ...timesOf(question, copy),
    next: nextOf(step, copy),
    why: whyOf(context, { step, copy }),
    ...(copy.descriptor
      ? { digest: copy.descriptor.digest, blobs: await blobsHere(context, place.local, copy.descriptor) }
      : {}),
  };
}

function timesOf({ reference }: ManifestQuestion, { known, rule, descriptor }: Copy) {
  if (!known || isDigest(reference)) return {};
  const { checkedAtMs } = known;
  const { freshForMs, negativeForMs, staleIfErrorMs, immutable } = rule.rule;
  if (immutable && descriptor) return { checkedAtMs };
  const freshUntilMs = checkedAtMs + (known.digest === undefined ? negativeForMs : freshForMs);
  if (!descriptor) return { checkedAtMs, freshUntilMs };
  return { checkedAtMs, freshUntilMs, servedStaleUntilMs: checkedAtMs + freshForMs + staleIfErrorMs };
}

function nextOf(step: Step, { local }: Copy): Explanation['next'] {
  if (step.kind === 'serve') return step.verdict;
  if (step.kind === 'negative') return 'negative';
  if (step.kind === 'ask') return step.request === 'fetch' ? 'fetch' : 'revalidate';
  return local === 'none' && step.code === 'UPSTREAM_UNAVAILABLE' ? 'offline' : 'denied';
}

function whyOf(context: ProxyContext, { step, copy }: { readonly step: Step; readonly copy: Copy }): string {
  const age = copy.known ? ` (asked ${timeText(ageSeconds(context, copy.known.checkedAtMs))} ago)` : '';
  const behind = step.kind === 'serve' && step.revalidate ? '; the upstream is asked in the background' : '';
  const frugal =
    step.kind === 'ask' && !step.mayFetch ? '; what has changed is not fetched: the quota is down to the reserve' : '';
  return `${step.why}${age}${behind}${frugal}`;
}
