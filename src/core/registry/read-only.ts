import { RegistryError } from '#core/oci';
import { forwardExtras } from './extras.ts';
import type { Lister, Reader, Registry } from './types.ts';

/** What only answers, as a registry: every write and delete is UNSUPPORTED, with the reason. */
export function readOnly(next: Reader & Lister & Pick<Registry, 'extras'>, reason = 'it is read only'): Registry {
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
