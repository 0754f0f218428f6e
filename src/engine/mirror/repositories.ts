import { Bounds, isRegistryError, type RepositoryName } from '#core/oci';
import type { Call, Registry } from '#core/registry';
import { AppError, messageOf } from '#core/std';
import type { RepositoryRules } from './select.ts';
import type { MirrorEndpoint, SelectionProblem } from './types.ts';

type Finding = {
  readonly source: MirrorEndpoint;
  readonly call: Call;
  readonly problem: (problem: SelectionProblem) => void;
};

/** The repositories that the rules mean, at the source now. A source without a list is a problem, not an end. */
export async function findRepositories(rules: RepositoryRules, finding: Finding): Promise<RepositoryName[]> {
  const found = new Set(rules.exact);
  if (rules.needsCatalog) {
    await addMatching(rules, finding, found).catch((thrown: unknown) => {
      finding.call.signal?.throwIfAborted();
      finding.problem({ repository: '*', error: notListed(finding.source, thrown) });
    });
  }
  return [...found].sort();
}

async function addMatching(rules: RepositoryRules, finding: Finding, found: Set<RepositoryName>): Promise<void> {
  let matched = false;
  for await (const repository of allRepositories(finding.source.registry, finding.call)) {
    if (!rules.matches(repository)) continue;
    matched = true;
    found.add(repository);
  }
  if (!matched) finding.problem({ repository: '*', error: nothingMatches(finding.source) });
}

/** A list that never ends is not read forever: a million repositories. */
const CATALOG_PAGES = 1000;

async function* allRepositories(registry: Registry, call: Call): AsyncGenerator<RepositoryName> {
  let after: string | undefined;
  for (let page = 0; page < CATALOG_PAGES; page++) {
    const options = { limit: Bounds.pageNames, ...(after === undefined ? {} : { after }) };
    const { value } = await registry.repositories(options, call);
    yield* value.items;
    if (value.next === undefined) return;
    after = value.next;
  }
  throw new AppError('UPSTREAM_INVALID', `the list of repositories goes on after ${CATALOG_PAGES} pages`);
}

function notListed({ name }: MirrorEndpoint, cause: unknown): AppError {
  const refused = isRegistryError(cause, 'UNSUPPORTED', 'UNAUTHORIZED', 'DENIED', 'NOT_FOUND', 'NAME_UNKNOWN');
  return new AppError(refused ? cause.code : 'UPSTREAM_UNAVAILABLE', `${name} does not list its repositories`, {
    why: messageOf(cause),
    hint: refused
      ? 'name the repositories exactly: globs under "repositories" need a source that lists them to this account'
      : 'try again; exact names under "repositories" need no list',
    cause,
  });
}

function nothingMatches({ name, prefix }: MirrorEndpoint): AppError {
  const where = prefix === '' ? name : `${name}/${prefix}`;
  return new AppError('NAME_UNKNOWN', `no repository of ${where} matches`, {
    why: 'the list of repositories was read to its end',
    hint: `correct "repositories", or see what there is: entrepot repo list ${where}`,
  });
}
