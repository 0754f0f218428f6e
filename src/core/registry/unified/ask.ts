import { isRegistryError, type OciCode, type RegistryError } from '#core/oci';
import type { Shown } from './name.ts';

/** The member has no such thing: the next one is asked. */
const ABSENT: readonly OciCode[] = ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'NOT_FOUND'];
/** The member cannot say whether it has it. */
const DOWN: readonly OciCode[] = [
  'UPSTREAM_UNAVAILABLE',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_INVALID',
  'UPSTREAM_DENIED',
  'PROXY_FAILED',
  'TOOMANYREQUESTS',
  'UNAVAILABLE',
];
/** The member's own rules do not let it have it. */
const REFUSED: readonly OciCode[] = ['DENIED', 'UNSUPPORTED'];

export type Answered<T> = { readonly member: Shown; readonly answer: T };

/**
 * The answer of the first member that has one. Absent everywhere: `absent` is thrown; but where a member could not
 * say, or was not allowed to look, that is thrown: nobody may take an outage for "there is none".
 */
export async function askInOrder<T>(
  members: readonly Shown[],
  ask: (member: Shown) => Promise<T>,
  absent: (isNameKnown: boolean) => RegistryError,
): Promise<Answered<T>> {
  let worst: RegistryError | undefined;
  let isNameKnown = false;
  for (const member of members) {
    try {
      return { member, answer: await ask(member) };
    } catch (thrown) {
      worst = worseOf(worst, passOver(member, thrown));
      isNameKnown ||= !isRegistryError(thrown, 'NAME_UNKNOWN');
    }
  }
  throw worst ?? absent(isNameKnown);
}

/** What is left of a member's failure when the next one is asked; throws it when none may be. */
export function passOver({ whenDown }: Shown, thrown: unknown): RegistryError | undefined {
  if (isRegistryError(thrown, ...ABSENT)) return undefined;
  if (isRegistryError(thrown, ...REFUSED)) return thrown;
  if (whenDown === 'skip' && isRegistryError(thrown, ...DOWN)) return thrown;
  throw thrown;
}

/** An outage says more than a rule: trying again may help. */
function worseOf(one: RegistryError | undefined, other: RegistryError | undefined): RegistryError | undefined {
  if (!one || !other) return one ?? other;
  return isRegistryError(one, ...REFUSED) ? other : one;
}
