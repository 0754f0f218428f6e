import type { Extras, Registry } from './types.ts';

/**
 * What a wrapper does with each extra: passes it on, hides it, or wraps it.
 * Every name must be decided: a new extra does not compile until each wrapper says what becomes of it.
 */
export type ExtrasPlan = {
  readonly [K in keyof Extras]-?: 'forward' | 'remove' | ((next: NonNullable<Extras[K]>) => NonNullable<Extras[K]>);
};

/** The extras of a wrapper, from those that the registry behind it has. */
export function forwardExtras({ extras }: Pick<Registry, 'extras'>, plan: ExtrasPlan): Extras {
  const tagDigests = decide(extras.tagDigests, plan.tagDigests);
  const ensureRepository = decide(extras.ensureRepository, plan.ensureRepository);
  const capabilities = decide(extras.capabilities, plan.capabilities);
  return {
    ...(tagDigests ? { tagDigests } : {}),
    ...(ensureRepository ? { ensureRepository } : {}),
    ...(capabilities ? { capabilities } : {}),
  };
}

function decide<F>(next: F | undefined, decision: 'forward' | 'remove' | ((next: F) => F)): F | undefined {
  if (next === undefined || decision === 'remove') return undefined;
  return decision === 'forward' ? next : decision(next);
}
