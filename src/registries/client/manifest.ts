import {
  algorithmOf,
  Bounds,
  type Descriptor,
  type Digest,
  digestOf,
  isDigest,
  MANIFEST_ACCEPT,
  type ManifestReference,
  manifestKindOf,
  manifestTooLarge,
  parseManifest,
  RegistryError,
  type RepositoryName,
  tryParseDigest,
  withoutParameters,
} from '#core/oci';
import type { Call, ManifestAnswer, Served } from '#core/registry';
import { messageOf } from '#core/std';
import type { Answer } from './answer.ts';
import { type Context, send, servedBy } from './context.ts';
import { invalidError } from './failure.ts';

const HEADERS = { accept: MANIFEST_ACCEPT };
/** Statuses of a HEAD by products that have none: the GET then answers. */
const NO_HEAD: readonly number[] = [405, 501];

/** HEAD, which costs no pull; GET where the HEAD does not say enough. */
export async function resolveManifest(
  context: Context,
  repository: RepositoryName,
  reference: ManifestReference,
  call: Call,
): Promise<Served<Descriptor>> {
  const request = { kind: 'manifestHead', repository, reference } as const;
  const options = { accept: [200, ...NO_HEAD], unknown: 'MANIFEST_UNKNOWN', headers: HEADERS } as const;
  const answer = await send(context, request, options, call);
  const descriptor = answer.status === 200 ? descriptorOfHead(answer, reference) : undefined;
  await answer.drop();
  if (descriptor) return { value: descriptor, served: servedBy(context, answer) };
  const { value, served } = await getManifest(context, repository, reference, call);
  return { value: value.descriptor, served };
}

function descriptorOfHead(answer: Answer, reference: ManifestReference): Descriptor | undefined {
  const digest = digestHeader(answer) ?? (isDigest(reference) ? reference : undefined);
  const length = answer.headers.get('content-length');
  const mediaType = withoutParameters(answer.headers.get('content-type') ?? '');
  if (!digest || length === null || !manifestKindOf(mediaType)) return undefined;
  if (isDigest(reference) && sameAlgorithm(digest, reference) && digest !== reference) {
    throw invalidError(answer.at, `asked for ${reference}, it named ${digest}`);
  }
  const size = Number(length);
  // Some answer a HEAD with the length of its own empty body.
  if (!Number.isSafeInteger(size) || size <= 0) return undefined;
  return { mediaType, digest: isDigest(reference) ? reference : digest, size };
}

function digestHeader(answer: Answer): Digest | undefined {
  return tryParseDigest(answer.headers.get('docker-content-digest') ?? '');
}

function sameAlgorithm(one: Digest, other: Digest): boolean {
  return algorithmOf(one) === algorithmOf(other);
}

/** The exact bytes, which have the digest asked for, or the one that the registry named with them. */
export async function getManifest(
  context: Context,
  repository: RepositoryName,
  reference: ManifestReference,
  call: Call,
): Promise<Served<ManifestAnswer>> {
  const request = { kind: 'manifestGet', repository, reference } as const;
  const options = { accept: [200], unknown: 'MANIFEST_UNKNOWN', headers: HEADERS } as const;
  const answer = await send(context, request, options, call);
  const bytes = await answer.bytes(Bounds.manifestBytes, () => manifestTooLarge(undefined));
  const digest = verifiedDigest(answer, bytes, reference);
  const mediaType = checkedMediaType(answer, bytes);
  return {
    value: { descriptor: { mediaType, digest, size: bytes.byteLength }, bytes },
    served: servedBy(context, answer),
  };
}

function verifiedDigest(answer: Answer, bytes: Uint8Array, reference: ManifestReference): Digest {
  const named = isDigest(reference) ? reference : digestHeader(answer);
  const actual = digestOf(bytes, named ? algorithmOf(named) : 'sha256');
  if (!named || named === actual) return actual;
  const encoding = answer.headers.get('content-encoding');
  const hint = encoding ? `it sent Content-Encoding ${encoding}: something on the way packs bodies` : undefined;
  throw invalidError(answer.at, `the manifest of ${bytes.byteLength} bytes has digest ${actual}, not ${named}`, hint);
}

/** The type is the header's; a body that says otherwise would mean two things to two readers (CVE-2021-41190). */
function checkedMediaType(answer: Answer, bytes: Uint8Array): string {
  const header = withoutParameters(answer.headers.get('content-type') ?? '');
  if (header.startsWith('application/vnd.docker.distribution.manifest.v1')) {
    throw invalidError(
      answer.at,
      'it has this image only in the old schema 1',
      'push the image anew with a client of today',
    );
  }
  try {
    return parseManifest(bytes, header).mediaType;
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    throw invalidError(answer.at, `Content-Type is "${header.slice(0, 100)}"; ${messageOf(thrown)}`);
  }
}
