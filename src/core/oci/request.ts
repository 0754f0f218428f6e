import type { Digest, DigestAlgorithm } from './digest.ts';
import type { ManifestReference, RepositoryName, TagName } from './name.ts';

/**
 * The distribution grammar as data: one case an operation, used by the server to read a request
 * and by the client to write one. `ns` is the registry that the client thinks it talks to (spec, "Registry Proxying").
 * Source: distribution-spec spec.md, "Endpoints"; `catalog` is the older `_catalog`.
 */
export type RegistryRequest =
  | { readonly kind: 'ping' }
  | { readonly kind: 'catalog'; readonly n?: number; readonly last?: string }
  | {
      readonly kind: 'manifestGet' | 'manifestHead' | 'manifestDelete';
      readonly repository: RepositoryName;
      readonly reference: ManifestReference;
      readonly ns?: string;
    }
  | {
      readonly kind: 'manifestPut';
      readonly repository: RepositoryName;
      readonly reference: ManifestReference;
      readonly tags: readonly TagName[];
    }
  | {
      readonly kind: 'blobGet' | 'blobHead' | 'blobDelete';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly ns?: string;
    }
  | { readonly kind: 'uploadStart'; readonly repository: RepositoryName; readonly algorithm?: DigestAlgorithm }
  | { readonly kind: 'blobPost'; readonly repository: RepositoryName; readonly digest: Digest }
  | {
      readonly kind: 'blobMount';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly from?: RepositoryName;
    }
  | {
      readonly kind: 'uploadStatus' | 'uploadPatch' | 'uploadCancel';
      readonly repository: RepositoryName;
      readonly uploadId: string;
    }
  | {
      readonly kind: 'uploadCommit';
      readonly repository: RepositoryName;
      readonly uploadId: string;
      readonly digest: Digest;
    }
  | {
      readonly kind: 'tags';
      readonly repository: RepositoryName;
      readonly n?: number;
      readonly last?: string;
      readonly ns?: string;
    }
  | {
      readonly kind: 'referrers';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly artifactTypes: readonly string[];
      readonly last?: string;
      readonly ns?: string;
    };

export type RequestKind = RegistryRequest['kind'];
export type RequestOf<K extends RequestKind> = Extract<RegistryRequest, { kind: K }>;
