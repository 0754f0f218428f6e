import { type Digest, parseDigest } from './digest.ts';
import { RegistryError } from './error.ts';
import { parseRepository, parseTag, type RepositoryName, type TagName } from './name.ts';

/** An image somewhere: `host/repository[:tag][@digest]`. */
export type ImageReference = {
  /** With its port, lower case: `quay.io`, `localhost:5000`, `[::1]:5000`. */
  readonly host: string;
  readonly repository: RepositoryName;
  readonly tag?: TagName;
  readonly digest?: Digest;
};

export const DOCKER_HUB = 'docker.io';

/**
 * Reads a reference as docker does: no host means Docker Hub, and one name there lives under `library/`.
 * Throws REQUEST_INVALID, NAME_INVALID, TAG_INVALID, DIGEST_INVALID.
 */
export function parseReference(text: string): ImageReference {
  const { name, digest } = splitDigest(text.trim());
  const { path, tag } = splitTag(name);
  const { host, rest } = splitHost(path);
  if (rest === '') {
    throw new RegistryError('REQUEST_INVALID', `"${text.slice(0, 120)}" names no repository`, {
      hint: 'write host/repository:tag or host/repository@sha256:…',
    });
  }
  const repository = host === DOCKER_HUB && !rest.includes('/') ? `library/${rest}` : rest;
  return {
    host,
    repository: parseRepository(repository),
    ...(tag === undefined ? {} : { tag: parseTag(tag) }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

export function formatReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${reference.host}/${reference.repository}${tag}${digest}`;
}

function splitDigest(text: string): { name: string; digest?: string } {
  const at = text.indexOf('@');
  return at < 0 ? { name: text } : { name: text.slice(0, at), digest: text.slice(at + 1) };
}

function splitTag(name: string): { path: string; tag?: string } {
  const colon = name.lastIndexOf(':');
  // A colon before the last slash belongs to a port.
  if (colon < 0 || colon < name.lastIndexOf('/')) return { path: name };
  return { path: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function splitHost(path: string): { host: string; rest: string } {
  const slash = path.indexOf('/');
  const first = slash < 0 ? path : path.slice(0, slash);
  const isHost = slash >= 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  if (!isHost) return { host: DOCKER_HUB, rest: path };
  const host = first.toLowerCase();
  return {
    host: host === 'index.docker.io' || host === 'registry-1.docker.io' ? DOCKER_HUB : host,
    rest: path.slice(slash + 1),
  };
}
