import { DOCKER_HUB, type ManifestReference, parseReference, RegistryError, type RepositoryName } from '#core/oci';
import { type Config, looksLikeHost } from '#surface/config';

/** Where an image is, as a person names it. */
export type Place =
  | { readonly kind: 'local'; readonly repository: RepositoryName; readonly reference?: ManifestReference }
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly repository: RepositoryName;
      readonly reference?: ManifestReference;
    }
  | {
      readonly kind: 'layout';
      readonly form: 'folder' | 'tar';
      readonly path: string;
      readonly reference?: ManifestReference;
    };

/**
 * Reads `host/repository[:tag][@digest]`, a name of a namespace here, `oci:folder[:tag]` or `tar:file[:tag]`.
 * A digest wins over a tag. Throws REQUEST_INVALID, NAME_INVALID, TAG_INVALID, DIGEST_INVALID.
 */
export function parsePlace(text: string, config: Config): Place {
  const layout = /^(oci|tar):(.+)$/.exec(text);
  if (layout?.[2] !== undefined) return layoutPlace(layout[1] === 'oci' ? 'folder' : 'tar', layout[2]);
  const [first = ''] = text.split('/');
  // A namespace may be named like a host: then it is meant, as in destinations of mirrors.
  const isNamespace = config.namespaces !== undefined && isLocalRepository(text, config);
  if (isNamespace || !looksLikeHost(first) || !text.includes('/')) return localPlace(text, config);
  const { host, repository, tag, digest } = parseReference(text);
  const reference = digest ?? tag;
  const named = { repository, ...(reference === undefined ? {} : { reference }) };
  return isThisServer(host, config) ? { kind: 'local', ...named } : { kind: 'host', host, ...named };
}

/** A name without a host: of this registry, where its namespaces allow it. Never guessed to be on Docker Hub. */
function localPlace(text: string, config: Config): Place {
  // Any host makes the rest parse as docker would; it is dropped again.
  const { repository, tag, digest } = parseReference(`local.invalid/${text}`);
  const reference = digest ?? tag;
  if (!isLocalRepository(repository, config)) {
    throw new RegistryError('REQUEST_INVALID', `"${text}" is neither on a host nor in a namespace of this registry`, {
      why: `the namespaces are ${Object.keys(config.namespaces ?? {}).join(', ') || 'none'}`,
      hint: `for Docker Hub write ${DOCKER_HUB}/${repository.includes('/') ? '' : 'library/'}${text}`,
    });
  }
  return { kind: 'local', repository, ...(reference === undefined ? {} : { reference }) };
}

/** Whether a repository is served here: with namespaces, only what they cover. */
export function isLocalRepository(repository: string, { namespaces }: Config): boolean {
  if (namespaces === undefined) return true;
  return Object.keys(namespaces).some((name) => repository === name || repository.startsWith(`${name}/`));
}

/** Only by the address that the configuration gives to clients: on a mere port of this machine may be another registry. */
function isThisServer(host: string, { server }: Config): boolean {
  return server.url !== undefined && new URL(server.url).host === host;
}

function layoutPlace(form: 'folder' | 'tar', rest: string): Place {
  const digestAt = rest.indexOf('@');
  const path = digestAt < 0 ? rest : rest.slice(0, digestAt);
  const { path: file, tag } = splitTag(path);
  const name = digestAt < 0 ? tag : rest.slice(digestAt + 1);
  if (name === undefined) return { kind: 'layout', form, path: file };
  const { digest, tag: parsedTag } = parseReference(`local.invalid/x${digestAt < 0 ? ':' : '@'}${name}`);
  const reference = digest ?? parsedTag;
  return { kind: 'layout', form, path: file, ...(reference === undefined ? {} : { reference }) };
}

function splitTag(path: string): { path: string; tag?: string } {
  const colon = path.lastIndexOf(':');
  // A colon before the last slash, or after a drive letter, is part of the path.
  if (colon <= 1 || colon < path.lastIndexOf('/')) return { path };
  return { path: path.slice(0, colon), tag: path.slice(colon + 1) };
}

/** A place as a person would type it. */
export function formatPlace(place: Place): string {
  const { reference } = place;
  const tail = reference === undefined ? '' : `${reference.includes(':') ? '@' : ':'}${reference}`;
  if (place.kind === 'local') return `${place.repository}${tail}`;
  if (place.kind === 'host') return `${place.host}/${place.repository}${tail}`;
  return `${place.form === 'folder' ? 'oci' : 'tar'}:${place.path}${tail}`;
}
