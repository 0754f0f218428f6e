import { type ManifestReference, RegistryError, type RepositoryName } from '#core/oci';
import { forwardExtras } from './extras.ts';
import { servedFilteredPage } from './filtered-page.ts';
import { type Action, around, type Operation } from './operation.ts';
import type { Call, Registry } from './types.ts';

/** What somebody asks to do. Reading a manifest and asking whether it is there are one question. */
export type Question = {
  readonly action: Action;
  readonly repository: RepositoryName;
  /** Tag or digest. Absent where a repository as a whole is meant: lists, and the begin of an upload. */
  readonly reference?: ManifestReference;
  readonly call: Call;
};
export type Decision =
  | { readonly allow: true }
  | { readonly allow: false; readonly rule: string; readonly reason: string };

/** May be asked several times a request and must then say the same. Answer without a promise where possible: it is asked on every pull. */
export type Check = (question: Question) => Decision | Promise<Decision>;

/**
 * A registry that first asks whether it may. What is refused is DENIED and names the rule; a refused name is left out
 * of the list of repositories. Every tag of a push is asked for; a mount also asks for the pull from its source.
 */
export function guarded(next: Registry, check: Check): Registry {
  const checked = around(next, async (operation, proceed) => {
    const checking = checkOperation(operation, check);
    if (checking !== undefined) await checking;
    return await proceed();
  });
  return {
    ...checked,
    repositories: (options, call) =>
      servedFilteredPage((page) => next.repositories(page, call), {
        ...options,
        keep: async (repository) => (await check({ action: 'list', repository, call })).allow,
        nameOf: String,
      }),
    mountBlob: (repository, digest, options, call) => {
      const mayRead = async (from: RepositoryName) =>
        (await options.mayRead(from)) &&
        (await check({ action: 'pull', repository: from, reference: digest, call })).allow;
      return checked.mountBlob(repository, digest, { ...options, mayRead }, call);
    },
    extras: forwardExtras(checked, { tagDigests: 'forward', ensureRepository: 'forward', capabilities: 'forward' }),
  };
}

/** Parts of an upload that `startUpload`, `openUpload` or `mountBlob` was asked for. */
const ASKED_BEFORE: ReadonlySet<string> = new Set(['append', 'commit', 'cancel']);

function checkOperation(operation: Operation, check: Check): Promise<void> | undefined {
  const { action, repository, reference, tags = [], call } = operation;
  if (repository === undefined || ASKED_BEFORE.has(operation.name)) return undefined;
  const references = tags.length > 0 ? tags : [reference];
  const [only] = references;
  if (references.length > 1) return checkEach(operation, references, check);
  const question = { action, repository, call, ...(only === undefined ? {} : { reference: only }) };
  const decision = check(question);
  if (decision instanceof Promise) return decision.then((late) => enforce(question, late));
  enforce(question, decision);
  return undefined;
}

async function checkEach(
  { action, call, repository }: Operation,
  references: readonly (ManifestReference | undefined)[],
  check: Check,
): Promise<void> {
  for (const reference of references) {
    if (repository === undefined || reference === undefined) continue;
    const question = { action, repository, reference, call };
    enforce(question, await check(question));
  }
}

function enforce({ action, repository, reference }: Question, decision: Decision): void {
  if (decision.allow) return;
  const separator = reference?.includes(':') ? '@' : ':';
  const what = reference === undefined ? repository : `${repository}${separator}${reference}`;
  throw new RegistryError('DENIED', `${action} of ${what} is denied by rule "${decision.rule}"`, {
    why: decision.reason,
    detail: { rule: decision.rule, action, repository, ...(reference === undefined ? {} : { reference }) },
  });
}
