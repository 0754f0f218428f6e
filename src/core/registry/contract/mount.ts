import { expect } from 'bun:test';
import type { RepositoryName } from '#core/oci';
import type { MountAnswer, Registry } from '../types.ts';
import { bytesOf, repo, sampleBlob, testCall } from './sample.ts';
import { type Check, expectCode } from './suite.ts';

const source = repo('team/source');
const target = repo('team/target');
const call = testCall();
const blob = sampleBlob('mounted', 500);
const everywhere = () => true;
const nowhere = () => false;

export function mountContract(check: Check): void {
  namedContract(check);
  anonymousContract(check);
}

async function withSource(registry: Registry): Promise<void> {
  await registry.putBlob(source, { digest: blob.digest, size: 500 }, blob.bytes, call);
}

async function expectMounted(registry: Registry, answer: MountAnswer, into: RepositoryName): Promise<void> {
  expect(answer).toMatchObject({ kind: 'mounted', descriptor: { digest: blob.digest } });
  expect(await bytesOf(await registry.getBlob(into, blob.digest, {}, call))).toEqual(blob.bytes);
}

/** The blob must not be there, and the upload that came instead must work. */
async function expectUpload(registry: Registry, answer: MountAnswer): Promise<void> {
  if (answer.kind !== 'upload') throw new Error('the blob was mounted');
  await expectCode(registry.getBlob(target, blob.digest, {}, call), 'NAME_UNKNOWN', 'BLOB_UNKNOWN');
  await answer.upload.commit(blob.digest, { body: blob.bytes }, call);
  expect(await bytesOf(await registry.getBlob(target, blob.digest, {}, call))).toEqual(blob.bytes);
}

function namedContract(check: Check): void {
  check(
    'mounts from another repository',
    async (registry) => {
      await withSource(registry);
      const answer = await registry.mountBlob(target, blob.digest, { from: source, mayRead: everywhere }, call);
      await expectMounted(registry, answer, target);
    },
    ['mount'],
  );

  check(
    'what was mounted stays when the source lets go of it',
    async (registry) => {
      await withSource(registry);
      const answer = await registry.mountBlob(target, blob.digest, { from: source, mayRead: everywhere }, call);
      await registry.deleteBlob(source, blob.digest, call);
      await expectMounted(registry, answer, target);
      await expectCode(registry.resolveBlob(source, blob.digest, call), 'BLOB_UNKNOWN', 'NAME_UNKNOWN');
    },
    ['mount', 'delete-blob', 'isolation'],
  );

  check(
    'from the same repository it asks: is it here?',
    async (registry) => {
      await withSource(registry);
      const here = await registry.mountBlob(source, blob.digest, { from: source, mayRead: everywhere }, call);
      await expectMounted(registry, here, source);
    },
    ['mount'],
  );

  check(
    'from the same repository, a blob that only another one has begins an upload',
    async (registry) => {
      await withSource(registry);
      const answer = await registry.mountBlob(target, blob.digest, { from: target, mayRead: everywhere }, call);
      await expectUpload(registry, answer);
    },
    ['mount', 'isolation'],
  );

  check('a blob that is nowhere begins an upload', async (registry) => {
    const answer = await registry.mountBlob(target, blob.digest, { from: source, mayRead: everywhere }, call);
    await expectUpload(registry, answer);
  });

  check(
    'a source that the caller may not read begins an upload',
    async (registry) => {
      await withSource(registry);
      const asked: string[] = [];
      const mayRead = (name: RepositoryName) => {
        asked.push(name);
        return name !== source;
      };
      const answer = await registry.mountBlob(target, blob.digest, { from: source, mayRead }, call);
      await expectUpload(registry, answer);
      expect(asked).toEqual([source]);
    },
    ['may-read', 'isolation'],
  );
}

function anonymousContract(check: Check): void {
  check(
    'mounts from wherever the caller may read',
    async (registry) => {
      await withSource(registry);
      const hidden = repo('secret/source');
      await registry.putBlob(hidden, { digest: blob.digest }, blob.bytes, call);
      const mayRead = async (name: RepositoryName) => name === source;
      const answer = await registry.mountBlob(target, blob.digest, { mayRead }, call);
      await expectMounted(registry, answer, target);
    },
    ['mount-anonymous', 'may-read'],
  );

  check(
    'begins an upload when the caller may read none that has it',
    async (registry) => {
      await withSource(registry);
      await expectUpload(registry, await registry.mountBlob(target, blob.digest, { mayRead: nowhere }, call));
    },
    ['may-read', 'isolation'],
  );
}
