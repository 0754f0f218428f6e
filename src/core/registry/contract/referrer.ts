import { expect } from 'bun:test';
import { type Digest, MediaType } from '#core/oci';
import type { Registry } from '../types.ts';
import { pushImage, pushManifest, repo, sampleImage, sampleIndex, testCall } from './sample.ts';
import type { Check } from './suite.ts';

const name = repo('team/app');
const call = testCall();
const subject = sampleImage('subject');
const signature = sampleImage('signature', {
  subject: subject.descriptor,
  artifactType: 'application/vnd.example.signature',
  annotations: { 'org.example.by': 'us' },
});
const plain = sampleImage('no artifact type', { subject: subject.descriptor });
const attached = sampleIndex([], { subject: subject.descriptor, annotations: { kind: 'index' } });

export function referrerContract(check: Check): void {
  listingContract(check);
  filterContract(check);
}

async function referrersOf(registry: Registry, digest: Digest, ...artifactTypes: string[]) {
  const found = [];
  let after: string | undefined;
  let filtered = true;
  do {
    const options = { artifactTypes, ...(after === undefined ? {} : { after }) };
    const { value } = await registry.referrers(name, digest, options, call);
    found.push(...value.items);
    filtered &&= value.filtered;
    after = value.next;
  } while (after !== undefined);
  found.sort((left, right) => (left.digest < right.digest ? -1 : 1));
  return { found, filtered };
}

function listingContract(check: Check): void {
  check(
    'says that it keeps the list, and lists what refers to a manifest',
    async (registry) => {
      await pushImage(registry, name, subject, { tags: ['v1'] });
      const put = await pushImage(registry, name, signature);
      expect(put.subject).toBe(subject.descriptor.digest);
      await pushImage(registry, name, plain);
      await pushManifest(registry, name, attached);
      const { found } = await referrersOf(registry, subject.descriptor.digest);
      const expected = [
        {
          ...signature.descriptor,
          artifactType: 'application/vnd.example.signature',
          annotations: { 'org.example.by': 'us' },
        },
        // The config's type stands in for an artifact type that an image does not say; an index has none then.
        { ...plain.descriptor, artifactType: MediaType.ociConfig },
        { ...attached.descriptor, annotations: { kind: 'index' } },
      ].sort((left, right) => (left.digest < right.digest ? -1 : 1));
      expect(found).toEqual(expected);
    },
    ['referrers'],
  );

  check('a manifest without a subject says nothing of one', async (registry) => {
    expect((await pushImage(registry, name, subject, { tags: ['v1'] })).subject).toBeUndefined();
  });

  check(
    'the subject need not be there, before or ever',
    async (registry) => {
      expect((await pushImage(registry, name, signature)).subject).toBe(subject.descriptor.digest);
      expect((await referrersOf(registry, subject.descriptor.digest)).found).toHaveLength(1);
    },
    ['referrers'],
  );

  check('nothing refers to an unknown digest, nor in an unknown repository', async (registry) => {
    expect((await referrersOf(registry, subject.descriptor.digest)).found).toEqual([]);
    await pushImage(registry, name, subject, { tags: ['v1'] });
    expect((await referrersOf(registry, subject.descriptor.digest)).found).toEqual([]);
  });

  check(
    'a referrer that is pushed twice is listed once',
    async (registry) => {
      for (const _ of [1, 2]) await pushImage(registry, name, signature);
      expect((await referrersOf(registry, subject.descriptor.digest)).found).toHaveLength(1);
    },
    ['referrers'],
  );

  check(
    'a deleted referrer is listed no more; a deleted subject keeps its referrers',
    async (registry) => {
      await pushImage(registry, name, subject, { tags: ['v1'] });
      for (const image of [signature, plain]) await pushImage(registry, name, image);
      await registry.deleteManifest(name, plain.descriptor.digest, call);
      await registry.deleteManifest(name, subject.descriptor.digest, call);
      const { found } = await referrersOf(registry, subject.descriptor.digest);
      expect(found.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
    },
    ['referrers', 'delete-manifest'],
  );

  check(
    'another repository does not list them',
    async (registry) => {
      await pushImage(registry, 'team/other', signature);
      expect((await referrersOf(registry, subject.descriptor.digest)).found).toEqual([]);
    },
    ['isolation'],
  );
}

function filterContract(check: Check): void {
  check('filters by artifact type, or says that it did not', async (registry) => {
    for (const image of [signature, plain]) await pushImage(registry, name, image);
    const all = await referrersOf(registry, subject.descriptor.digest);
    const type = 'application/vnd.example.signature';
    const one = await referrersOf(registry, subject.descriptor.digest, type);
    expect(one.found).toEqual(one.filtered ? all.found.filter((each) => each.artifactType === type) : all.found);
    const none = await referrersOf(registry, subject.descriptor.digest, 'application/none');
    expect(none.found).toEqual(none.filtered ? [] : all.found);
    const both = await referrersOf(registry, subject.descriptor.digest, type, MediaType.ociConfig);
    expect(both.found).toEqual(all.found);
  });
}
