import {
  type Digest,
  type OciCode,
  RegistryError,
  type RegistryRequest,
  type RepositoryName,
  type TagName,
} from '#core/oci';
import type { Call } from '#core/registry';
import { type Context, send } from './context.ts';

/** Some registries answer 200 or 204 where the specification says 202. */
const DELETED: readonly number[] = [200, 202, 204];

export function deleteTag(context: Context, repository: RepositoryName, tag: TagName, call: Call): Promise<void> {
  return remove(context, { kind: 'manifestDelete', repository, reference: tag }, 'MANIFEST_UNKNOWN', call);
}

export function deleteManifest(
  context: Context,
  repository: RepositoryName,
  digest: Digest,
  call: Call,
): Promise<void> {
  return remove(context, { kind: 'manifestDelete', repository, reference: digest }, 'MANIFEST_UNKNOWN', call);
}

export function deleteBlob(context: Context, repository: RepositoryName, digest: Digest, call: Call): Promise<void> {
  return remove(context, { kind: 'blobDelete', repository, digest }, 'BLOB_UNKNOWN', call);
}

async function remove(context: Context, request: RegistryRequest, unknown: OciCode, call: Call): Promise<void> {
  try {
    await (await send(context, request, { accept: DELETED, unknown }, call)).drop();
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    // A second try that finds nothing: the first one did it, and its answer was lost.
    if (thrown.upstream?.status === 404 && (thrown.upstream.attempts ?? 1) > 1) return;
    throw tagsStay(request, thrown);
  }
}

/** distribution 2 knows deletes by digest alone, and says that a tag is no digest. */
function tagsStay(request: RegistryRequest, error: RegistryError): RegistryError {
  const isTag = request.kind === 'manifestDelete' && !request.reference.includes(':');
  if (!isTag || error.code !== 'DIGEST_INVALID') return error;
  return new RegistryError('UNSUPPORTED', `${error.upstream?.registry ?? 'the registry'} does not delete tags`, {
    origin: 'upstream',
    ...(error.upstream ? { upstream: error.upstream } : {}),
    ...(error.why === undefined ? {} : { why: error.why }),
    hint: 'delete the manifest by its digest; all its tags go with it',
    cause: error,
  });
}
