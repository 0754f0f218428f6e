import { RegistryError, type RepositoryName } from '#core/oci';
import type { Answer } from './answer.ts';
import type { Context } from './context.ts';
import { invalidError } from './failure.ts';

/** The address that a registry gave for the rest of an upload, checked. Throws UPSTREAM_INVALID. */
export async function locationOf(context: Context, answer: Answer): Promise<URL> {
  const header = answer.headers.get('location');
  if (header === null || !URL.canParse(header, answer.at.url.href)) {
    throw invalidError(answer.at, 'it began an upload without a Location');
  }
  const target = new URL(header, answer.at.url);
  const reason = await context.trust.target(target, answer.at.url);
  if (!reason) return target;
  throw invalidError(
    answer.at,
    `its upload Location is at ${target.origin}: ${reason}`,
    `if it is right, name its host in registries."${context.host}".trustedHosts`,
  );
}

/** The address with the digest that closes the upload; a query that is there already stays. */
export function closingUrl(location: URL, digest: string): URL {
  const url = new URL(location);
  // Appended as text: rewriting the query would change signed states.
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

const PLAIN_ID = /^[A-Za-z0-9_-]{1,128}$/;
const PACKED = 'L-';

function uploadsPath(context: Context, repository: RepositoryName): string {
  return new URL(`/v2/${repository}/blobs/uploads/`, context.registry).pathname;
}

/** An upload's id: the last word of its address, or the whole address packed, where it says more than that. */
export function uploadIdOf(context: Context, repository: RepositoryName, location: URL): string {
  const prefix = uploadsPath(context, repository);
  const id = location.pathname.slice(prefix.length);
  const isPlain =
    location.origin === context.registry.origin && location.pathname.startsWith(prefix) && location.search === '';
  if (isPlain && PLAIN_ID.test(id) && !id.startsWith(PACKED)) return id;
  return `${PACKED}${Buffer.from(location.href).toString('base64url')}`;
}

/** The address of an id. An id is a stranger's text: it may lead only to uploads of the repository. Throws BLOB_UPLOAD_UNKNOWN. */
export function locationOfId(context: Context, repository: RepositoryName, uploadId: string): URL {
  const prefix = uploadsPath(context, repository);
  if (!uploadId.startsWith(PACKED)) {
    if (PLAIN_ID.test(uploadId)) return new URL(prefix + uploadId, context.registry);
    throw unknownUpload();
  }
  const text = Buffer.from(uploadId.slice(PACKED.length), 'base64url').toString('utf8');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.origin === context.registry.origin && url.pathname.startsWith(prefix)) return url;
  throw unknownUpload();
}

function unknownUpload(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'the upload id is not one of this registry');
}
