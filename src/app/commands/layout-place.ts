import type { Registry } from '#core/registry';
import { AppError } from '#core/std';
import type { Place } from './place.ts';

/** A layout folder or tar as a registry. */
export async function openLayoutPlace(place: Extract<Place, { kind: 'layout' }>, _role: string): Promise<Registry> {
  throw new AppError('UNSUPPORTED', `${place.path} cannot be opened yet`);
}
