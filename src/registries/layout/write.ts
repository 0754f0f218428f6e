import { join } from 'node:path';
import { algorithmOf, digestOf, parseManifest, requiredBlobs } from '#core/oci';
import {
  blobSizeMismatch,
  blobUnknown,
  type Deleter,
  digestMismatch,
  manifestBlobUnknown,
  manifestUnknown,
  nameUnknown,
  sizeMismatch,
  type Writer,
} from '#core/registry';
import { createLimiter } from '#core/std';
import { type Content, digestAt } from './content.ts';
import { ensureLayout, settled } from './entries.ts';
import { removeFile, replaceFile } from './files.ts';
import { blobPath, type Entry, indexBytes, newEntry } from './index-file.ts';
import { blobDescriptor } from './read.ts';
import { openSpool } from './spool.ts';
import type { Uploads } from './upload.ts';

/** Writes into a folder. `index.json` is changed by one at a time and replaced as a whole. */
export function writeMethods(content: Content, root: string, uploads: Uploads): Writer & Deleter {
  const change = createChange(content, root);
  return {
    ...deleteMethods(content, root, change),
    startUpload: uploads.startUpload,
    openUpload: uploads.openUpload,
    async putBlob(_repository, target, body, call) {
      const spool = await openSpool(root);
      try {
        await spool.append(body, call.signal);
        if (target.size !== undefined && target.size !== spool.sizeBytes)
          throw sizeMismatch(target.size, spool.sizeBytes);
      } catch (thrown) {
        await spool.discard();
        throw thrown;
      }
      await spool.commit(target.digest);
      await ensureLayout(content, root);
      return blobDescriptor(target.digest, { size: spool.sizeBytes });
    },
    async mountBlob(repository, digest, { from = repository, mayRead }, call) {
      const file = content.exists ? await content.files.find(blobPath(digest)) : undefined;
      if (file && (await mayRead(from))) return { kind: 'mounted', descriptor: { digest, size: file.size } };
      return { kind: 'upload', upload: await uploads.startUpload(repository, {}, call) };
    },
    async putManifest(repository, bytes, { mediaType, digest, tags }) {
      const manifest = parseManifest(bytes, mediaType);
      const actual = digestOf(bytes, digest === undefined ? 'sha256' : algorithmOf(digest));
      if (digest !== undefined && actual !== digest) throw digestMismatch(digest, actual);
      for (const blob of requiredBlobs(manifest)) {
        const file = await content.files.find(blobPath(blob.digest));
        if (!file) throw manifestBlobUnknown(repository, blob.digest);
        if (file.size !== blob.size) throw blobSizeMismatch(blob, file.size);
      }
      const spool = await openSpool(root);
      await spool.append(bytes, undefined);
      await spool.commit(actual);
      const descriptor = { mediaType: manifest.mediaType, digest: actual, size: bytes.byteLength };
      await change((tagged) => {
        content.manifests.set(actual, { descriptor, manifest });
        const others = tagged.filter(({ tag }) => tag === undefined || !tags.includes(tag));
        return [...others, ...new Set(tags)].map((each) =>
          typeof each === 'string' ? newEntry(descriptor, each) : each,
        );
      });
      const subject = manifest.subject?.digest;
      return { descriptor, tags: [...tags], ...(subject === undefined ? {} : { subject }) };
    },
  };
}

/** Changes the tagged entries, then settles the others. */
type Change = (edit: (tagged: readonly Entry[]) => readonly Entry[]) => Promise<void>;

function createChange(content: Content, root: string): Change {
  const oneAtATime = createLimiter(1);
  return (edit) =>
    oneAtATime.run(async () => {
      const entries = settled(content, edit(content.entries.filter(({ tag }) => tag !== undefined)));
      await ensureLayout(content, root);
      await replaceFile(join(root, 'index.json'), indexBytes(entries));
      content.entries = entries;
    });
}

function deleteMethods(content: Content, root: string, change: Change): Deleter {
  return {
    async deleteTag(repository, tag) {
      if (!content.exists) throw nameUnknown(repository);
      if (digestAt(content, repository, tag) === undefined) throw manifestUnknown(repository, tag);
      await change((tagged) => tagged.filter((entry) => entry.tag !== tag));
    },
    async deleteManifest(repository, digest) {
      if (!content.exists) throw nameUnknown(repository);
      if (!content.manifests.has(digest)) throw manifestUnknown(repository, digest);
      await change((tagged) => {
        content.manifests.delete(digest);
        return tagged.filter(({ descriptor }) => descriptor.digest !== digest);
      });
      await removeFile(join(root, blobPath(digest)));
    },
    async deleteBlob(repository, digest) {
      if (!content.exists) throw nameUnknown(repository);
      // A manifest is a file among the blobs too, and not to be deleted as one.
      if (content.manifests.has(digest) || !(await removeFile(join(root, blobPath(digest))))) {
        throw blobUnknown(repository, digest);
      }
    },
  };
}
