import { isRegistryError, type OciCode, RegistryError } from '#core/oci';
import { failureOf } from './ask.ts';
import type { ProxyContext } from './context.ts';
import type { BlobQuestion } from './copy.ts';

/** Where the upstream may not be asked there is nothing to wait for. Throws UPSTREAM_UNAVAILABLE, BLOB_UNKNOWN. */
export function checkPatience({ compiled, host }: ProxyContext, { place, digest, call }: BlobQuestion): void {
  const detail = { name: place.local, digest };
  const what = `${place.local}@${digest} is not here`;
  if (compiled.lists.offline) {
    throw new RegistryError('UPSTREAM_UNAVAILABLE', what, { detail, why: `the rule says that ${host} is never asked` });
  }
  if (call.freshness !== 'local') return;
  throw new RegistryError('BLOB_UNKNOWN', what, { detail, why: 'only what is here was wanted' });
}

/** What no upstream is to blame for. */
const OURS: readonly OciCode[] = ['RANGE_INVALID', 'INSUFFICIENT_STORAGE', 'UNAVAILABLE', 'INTERNAL'];

function isTheirDisk({ code, origin }: RegistryError): boolean {
  return code === 'INSUFFICIENT_STORAGE' && origin === 'upstream';
}

/** What the client is told of a failure: the upstream's 404 as ours, its refusals never as a 401 of ours. */
export function toldBlobError(context: ProxyContext, question: BlobQuestion, thrown: unknown): unknown {
  if (question.call.signal?.aborted || !isRegistryError(thrown)) return thrown;
  if (OURS.includes(thrown.code) && !isTheirDisk(thrown)) return thrown;
  const failure = failureOf(thrown, context.host);
  return failure.kind === 'gone' ? unknownError(context, question, failure.error) : failure.error;
}

function unknownError({ host }: ProxyContext, { place, digest }: BlobQuestion, said: RegistryError): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `${place.local} has no blob ${digest}`, {
    origin: 'upstream',
    upstream: said.upstream ?? { registry: host },
    detail: { name: place.local, digest },
    why: `${host} said so${said.why ? ` (${said.why})` : ''}`,
  });
}
