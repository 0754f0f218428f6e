import { parseRepository, RegistryError } from '#core/oci';
import type { Call } from '#core/registry';
import { nearest } from '#surface/config';
import type { NamespaceDetail, PullThrough } from '#surface/server/api';
import type { App } from '../compose.ts';
import { parseManifestReference } from './manifest-reference.ts';
import { findCacheEntry } from './member-entry.ts';
import { namespaceDetail, namespaceItems, upstreamItems } from './proxy-view.ts';
import { warmImages } from './warm.ts';

/** What can be seen and done of namespaces that read registries elsewhere. */
export function proxyOperations(app: App, call: Call): PullThrough {
  return {
    upstreams: async () => upstreamItems(app),
    namespaces: async () => namespaceItems(app),
    namespace: (name) => namespaceOf(app, name, call),
    cacheEntry: (repository, reference) =>
      findCacheEntry(
        app,
        { repository: parseRepository(repository), reference: parseManifestReference(reference) },
        call,
      ),
    warm: (request, running) => warmImages(app, request, running),
  };
}

/** A page of names is enough to see what a namespace is used for; `repo list` has them all. */
const MOST_REPOSITORIES = 1000;

async function namespaceOf(app: App, name: string, call: Call): Promise<NamespaceDetail> {
  const namespaces = app.config.namespaces ?? {};
  const entry = namespaces[name];
  if (!entry) {
    const meant = nearest(name, Object.keys(namespaces));
    throw new RegistryError('NAME_UNKNOWN', `there is no namespace ${name.slice(0, 80)}`, {
      why: `the configuration has ${Object.keys(namespaces).join(', ') || 'none: every name is hosted'}`,
      hint: meant === undefined ? 'entrepot namespace list' : `did you mean ${meant}?`,
    });
  }
  const page = await app.shelves.repositories({ after: `${name}/`, limit: MOST_REPOSITORIES }, call);
  const repositories = page.value.items.filter((repository) => repository.startsWith(`${name}/`));
  return await namespaceDetail(app, { name, entry, repositories });
}
