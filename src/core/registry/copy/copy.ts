import { isDigest, type ManifestReference, type Platform, type RepositoryName, type TagName } from '#core/oci';
import type { Clock } from '#core/std';
import type { Call, Registry } from '../types.ts';
import { createCopyRun } from './run.ts';
import type { CopyEvent, CopyLimits, CopyOutcome, CopyTotals } from './types.ts';

export type CopySubject = { readonly repository: RepositoryName; readonly reference: ManifestReference };

export type CopyOptions = {
  readonly call: Call;
  readonly clock: Clock;
  /** Where it goes; default: the same repository and, if it was asked for by tag, the same tag. */
  readonly to?: { readonly repository?: RepositoryName; readonly tags?: readonly TagName[] };
  /** Children of the index to be copied; the index and its digest stay as they are. */
  readonly platforms?: readonly Platform[];
  readonly onEvent?: (event: CopyEvent) => void;
  readonly limits?: Partial<CopyLimits>;
  /** How the two are called in errors and events. */
  readonly names?: { readonly source: string; readonly destination: string };
};

export type Copied = Pick<CopyOutcome, 'digest' | 'mediaType' | 'manifests'> & { readonly totals: CopyTotals };

/**
 * Copies one image with all that hangs on it: children, referrers, cosign tags; its tag last.
 * Throws CopyError (whose `origin` says whose fault it is), and the signal's reason when the call is aborted.
 */
export async function copy(
  source: Registry,
  destination: Registry,
  { repository, reference }: CopySubject,
  options: CopyOptions,
): Promise<Copied> {
  const { to = {}, names = { source: 'source', destination: 'destination' }, platforms = [], ...rest } = options;
  const run = createCopyRun({ ...rest, source: { name: names.source, registry: source } });
  const target = {
    destination: { name: names.destination, registry: destination },
    repository: to.repository ?? repository,
    tags: to.tags ?? (isDigest(reference) ? [] : [reference]),
  };
  const { results, digest, mediaType, manifests } = await run.copyImage({
    repository,
    reference,
    platforms,
    targets: [target],
  });
  const [result] = results;
  if (!result) throw new RangeError('one target has one result');
  if (result.error) throw result.error;
  return { digest, mediaType, manifests, totals: result.totals };
}
