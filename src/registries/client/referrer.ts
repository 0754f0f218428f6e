import {
  Bounds,
  buildRequest,
  type Descriptor,
  type Digest,
  isRegistryError,
  MediaType,
  parseManifest,
  parseWireErrors,
  RegistryError,
  type RepositoryName,
  referrersTag,
  withoutParameters,
} from '#core/oci';
import type { Call, ReferrersOptions, ReferrersPage, Served } from '#core/registry';
import { messageOf } from '#core/std';
import type { Answer } from './answer.ts';
import { type Context, send, servedBy } from './context.ts';
import { ERROR_BODY_BYTES, invalidError } from './failure.ts';
import { getManifest } from './manifest.ts';
import { isCursor, nextCursor, pageUrl } from './page.ts';

/**
 * Statuses by which registries without the API answer. Never 401, 403 or 429: an error is not an absence
 * (dotnet/docker-tools#2137). Source: google/go-containerregistry pkg/v1/remote/referrers.go.
 */
const NO_API: readonly number[] = [400, 404, 405, 406, 501];

/** What refers to a digest: by the API, or where that is absent by the fallback tag. */
export async function referrers(
  context: Context,
  { repository, digest }: { readonly repository: RepositoryName; readonly digest: Digest },
  options: ReferrersOptions,
  call: Call,
): Promise<Served<ReferrersPage>> {
  const known = context.learned.referrers.get(repository) ?? context.quirks.referrers;
  if (known === false) return byTag(context, { repository, digest }, call);
  const artifactTypes = options.artifactTypes ?? [];
  const request = { kind: 'referrers', repository, digest, artifactTypes } as const;
  const first = new URL(buildRequest(request).path, context.registry);
  if (options.after !== undefined && !isCursor(options.after)) first.searchParams.set('last', options.after);
  const answer = await send(
    context,
    request,
    {
      accept: [200, ...NO_API],
      unknown: 'NAME_UNKNOWN',
      headers: { accept: MediaType.ociIndex },
      url: pageUrl(first, options.after),
    },
    call,
  );
  const isIndex = withoutParameters(answer.headers.get('content-type') ?? '') === MediaType.ociIndex;
  if (answer.status !== 200 || !isIndex) return absent(context, { repository, digest, answer }, call);
  context.learned.referrers.set(repository, true);
  const items = await indexOf(answer);
  const next = nextCursor(answer);
  const filtered = artifactTypes.length > 0 && isFiltered(answer);
  return { value: { items, filtered, ...(next ? { next } : {}) }, served: servedBy(context, answer) };
}

/** `OCI-Filters-Applied: artifactType`. Spec, "Listing Referrers". */
function isFiltered(answer: Answer): boolean {
  const header = answer.headers.get('oci-filters-applied') ?? '';
  return header.split(',').some((name) => name.trim().toLowerCase() === 'artifacttype');
}

type Absent = { readonly repository: RepositoryName; readonly digest: Digest; readonly answer: Answer };

async function absent(context: Context, { repository, digest, answer }: Absent, call: Call) {
  const [error] = parseWireErrors(await answer.text(ERROR_BODY_BYTES));
  // A repository that is not there yet says nothing about the API.
  if (error?.code !== 'NAME_UNKNOWN') context.learned.referrers.set(repository, false);
  return byTag(context, { repository, digest }, call);
}

/** The list that clients keep under the tag `sha256-<hex>`. Spec, "Referrers Tag Schema". */
async function byTag(
  context: Context,
  { repository, digest }: { readonly repository: RepositoryName; readonly digest: Digest },
  call: Call,
): Promise<Served<ReferrersPage>> {
  try {
    const { value, served } = await getManifest(context, repository, referrersTag(digest), call);
    const { manifests } = parseManifest(value.bytes, value.descriptor.mediaType);
    return { value: { items: manifests, filtered: false }, served };
  } catch (thrown) {
    if (!isRegistryError(thrown, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')) throw thrown;
    const served = { by: context.host, upstream: context.host, warnings: [] };
    return { value: { items: [], filtered: false }, served };
  }
}

async function indexOf(answer: Answer): Promise<readonly Descriptor[]> {
  const bytes = await answer.bytes(Bounds.manifestBytes, () =>
    invalidError(answer.at, `its list of referrers is longer than ${Bounds.manifestBytes} bytes`),
  );
  try {
    return parseManifest(bytes, MediaType.ociIndex).manifests;
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    throw invalidError(answer.at, `its list of referrers is none: ${messageOf(thrown)}`);
  }
}
