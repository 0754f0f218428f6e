import { RegistryError } from '#core/oci';
import { forwardExtras } from './extras.ts';
import type { Registry } from './types.ts';

/** A registry that only answers: every write and delete is UNSUPPORTED, with the reason. */
export function readOnly(next: Registry, reason = 'it is read only'): Registry {
  const refuse = async (): Promise<never> => {
    throw new RegistryError('UNSUPPORTED', 'this registry does not take writes', { why: reason });
  };
  return {
    ...next,
    putManifest: refuse,
    putBlob: refuse,
    startUpload: refuse,
    openUpload: refuse,
    mountBlob: refuse,
    deleteTag: refuse,
    deleteManifest: refuse,
    deleteBlob: refuse,
    extras: forwardExtras(next, { tagDigests: 'forward', ensureRepository: 'remove', capabilities: 'forward' }),
  };
}
