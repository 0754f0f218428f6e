import type { Digest, ManifestReference, RepositoryName, TagName } from '#core/oci';
import type { ByteSource } from '#core/std';
import { forwardExtras } from './extras.ts';
import type { Call, Deleter, Lister, Reader, Registry, Upload, Writer } from './types.ts';

/** What somebody does to a repository; rules are written in these words. */
export type Action = 'pull' | 'push' | 'delete' | 'list';

export type OperationName =
  | keyof Reader
  | keyof Lister
  | keyof Writer
  | keyof Deleter
  | Exclude<keyof Upload, 'id' | 'offset' | 'chunkMinBytes'>
  | 'tagDigests'
  | 'ensureRepository';

/** One call of a registry, as data. */
export type Operation = {
  readonly name: OperationName;
  readonly action: Action;
  /** Absent when repositories are listed. */
  readonly repository?: RepositoryName;
  /** The manifest or blob it is about. */
  readonly reference?: ManifestReference;
  /** Tags set by a push. */
  readonly tags?: readonly TagName[];
  readonly body?: ByteSource;
  /** Bytes that an upload had before. */
  readonly offset?: number;
  readonly call: Call;
};

/** Does the operation; with another body in place of the caller's if one is given. */
export type Proceed<T> = (body?: ByteSource) => Promise<T>;
export type Intercept = <T>(operation: Operation, proceed: Proceed<T>) => Promise<T>;

/**
 * A registry whose every operation goes through `intercept`, those of its uploads too.
 * What wrappers that treat all operations alike are made of.
 */
export function around(next: Registry, intercept: Intercept): Registry {
  return {
    ...aroundReader(next, intercept),
    ...aroundLister(next, intercept),
    ...aroundWriter(next, intercept),
    ...aroundDeleter(next, intercept),
    extras: forwardExtras(next, {
      tagDigests: (list) => (repository, options, call) =>
        intercept({ name: 'tagDigests', action: 'list', repository, call }, () => list(repository, options, call)),
      ensureRepository: (ensure) => (repository, call) =>
        intercept({ name: 'ensureRepository', action: 'push', repository, call }, () => ensure(repository, call)),
      capabilities: 'forward',
    }),
  };
}

function aroundReader(next: Reader, intercept: Intercept): Reader {
  return {
    resolveManifest: (repository, reference, call) =>
      intercept({ name: 'resolveManifest', action: 'pull', repository, reference, call }, () =>
        next.resolveManifest(repository, reference, call),
      ),
    resolveBlob: (repository, reference, call) =>
      intercept({ name: 'resolveBlob', action: 'pull', repository, reference, call }, () =>
        next.resolveBlob(repository, reference, call),
      ),
    getManifest: (repository, reference, call) =>
      intercept({ name: 'getManifest', action: 'pull', repository, reference, call }, () =>
        next.getManifest(repository, reference, call),
      ),
    getBlob: (repository, reference, options, call) =>
      intercept({ name: 'getBlob', action: 'pull', repository, reference, call }, () =>
        next.getBlob(repository, reference, options, call),
      ),
  };
}

function aroundLister(next: Lister, intercept: Intercept): Lister {
  return {
    repositories: (options, call) =>
      intercept({ name: 'repositories', action: 'list', call }, () => next.repositories(options, call)),
    tags: (repository, options, call) =>
      intercept({ name: 'tags', action: 'list', repository, call }, () => next.tags(repository, options, call)),
    referrers: (repository, reference, options, call) =>
      intercept({ name: 'referrers', action: 'pull', repository, reference, call }, () =>
        next.referrers(repository, reference, options, call),
      ),
  };
}

function aroundWriter(next: Writer, intercept: Intercept): Writer {
  const wrapped = async (repository: RepositoryName, upload: Promise<Upload>) =>
    aroundUpload(await upload, repository, intercept);
  return {
    putManifest: (repository, bytes, options, call) => {
      const { digest: reference, tags } = options;
      const named = { repository, tags, call, ...(reference === undefined ? {} : { reference }) };
      return intercept({ name: 'putManifest', action: 'push', ...named }, () =>
        next.putManifest(repository, bytes, options, call),
      );
    },
    putBlob: (repository, target, body, call) =>
      intercept({ name: 'putBlob', action: 'push', repository, reference: target.digest, body, call }, (other) =>
        next.putBlob(repository, target, other ?? body, call),
      ),
    startUpload: (repository, options, call) =>
      intercept({ name: 'startUpload', action: 'push', repository, call }, () =>
        wrapped(repository, next.startUpload(repository, options, call)),
      ),
    openUpload: (repository, uploadId, call) =>
      intercept({ name: 'openUpload', action: 'push', repository, call }, () =>
        wrapped(repository, next.openUpload(repository, uploadId, call)),
      ),
    mountBlob: (repository, reference, options, call) =>
      intercept({ name: 'mountBlob', action: 'push', repository, reference, call }, async () => {
        const answer = await next.mountBlob(repository, reference, options, call);
        if (answer.kind === 'mounted') return answer;
        return { kind: 'upload', upload: aroundUpload(answer.upload, repository, intercept) } as const;
      }),
  };
}

function aroundUpload(next: Upload, repository: RepositoryName, intercept: Intercept): Upload {
  const operation = (name: OperationName, call: Call, rest: { body?: ByteSource; reference?: Digest } = {}) =>
    ({ name, action: 'push', repository, call, offset: next.offset, ...rest }) as const;
  return {
    id: next.id,
    get offset() {
      return next.offset;
    },
    ...(next.chunkMinBytes === undefined ? {} : { chunkMinBytes: next.chunkMinBytes }),
    append: (body, options, call) =>
      intercept(operation('append', call, { body }), (other) => next.append(other ?? body, options, call)),
    commit: (reference, final, call) =>
      intercept(operation('commit', call, { reference, ...(final ? { body: final.body } : {}) }), (other) =>
        next.commit(reference, final && other ? { ...final, body: other } : final, call),
      ),
    cancel: (call) => intercept(operation('cancel', call), () => next.cancel(call)),
  };
}

function aroundDeleter(next: Deleter, intercept: Intercept): Deleter {
  return {
    deleteTag: (repository, reference, call) =>
      intercept({ name: 'deleteTag', action: 'delete', repository, reference, call }, () =>
        next.deleteTag(repository, reference, call),
      ),
    deleteManifest: (repository, reference, call) =>
      intercept({ name: 'deleteManifest', action: 'delete', repository, reference, call }, () =>
        next.deleteManifest(repository, reference, call),
      ),
    deleteBlob: (repository, reference, call) =>
      intercept({ name: 'deleteBlob', action: 'delete', repository, reference, call }, () =>
        next.deleteBlob(repository, reference, call),
      ),
  };
}
