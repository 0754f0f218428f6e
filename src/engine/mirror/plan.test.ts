import { expect, test } from 'bun:test';
import type { Digest, RepositoryName, TagName } from '#core/oci';
import { memory } from '#core/registry';
import { planImage, platformsKey } from './plan.ts';
import type { ImageRecord } from './state.ts';
import type { SourceImage } from './types.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const repository = 'team/app' as RepositoryName;
const tag = '1.0' as TagName;
const SIG = `sha256-${'a'.repeat(64)}.sig`;
const IMAGE: SourceImage = {
  repository: 'vendor/app' as RepositoryName,
  tag,
  digest: digest('a'),
  companions: { referrers: [digest('b'), digest('c')], tags: { [SIG]: digest('d') } },
};
const RECORD: ImageRecord = {
  destination: 'here',
  repository,
  tag,
  source: 'quay.io/vendor/app:1.0',
  digest: digest('a'),
  platforms: '',
  manifests: [digest('a')],
  companions: { referrers: [digest('c'), digest('b')], tags: { [SIG]: digest('d') } },
  verifiedAtMs: 0,
};

const CASES: readonly { name: string; record?: ImageRecord; image?: Partial<SourceImage>; want: string }[] = [
  { name: 'never copied', want: 'new' },
  { name: 'the same, in another order', record: RECORD, want: 'unchanged' },
  { name: 'another digest', record: { ...RECORD, digest: digest('e') }, want: 'moved' },
  { name: 'copied from elsewhere', record: { ...RECORD, source: 'docker.io/vendor/app:1.0' }, want: 'source' },
  { name: 'other platforms', record: { ...RECORD, platforms: 'linux/arm64' }, want: 'platforms' },
  {
    name: 'a signature added',
    record: { ...RECORD, companions: { ...RECORD.companions, tags: {} } },
    want: 'companions',
  },
  {
    name: 'a signature replaced',
    record: { ...RECORD, companions: { ...RECORD.companions, tags: { [SIG]: digest('f') } } },
    want: 'companions',
  },
  {
    name: 'a referrer gone',
    record: RECORD,
    image: { companions: { referrers: [digest('b')], tags: { [SIG]: digest('d') } } },
    want: 'companions',
  },
];

test.each(CASES)('$name: $want', ({ record, image, want }) => {
  const place = { destination: { name: 'here', registry: memory(), prefix: 'team' }, repository, tag };
  const [step] = planImage({ ...IMAGE, ...image }, [{ ...place, ...(record ? { record } : {}) }], {
    source: 'quay.io',
    platforms: '',
  });
  expect(step).toMatchObject({ reason: want as 'new', action: want === 'unchanged' ? 'unchanged' : 'copy' });
});

test('a choice of platforms is the same in any order', () => {
  const amd = { os: 'linux', architecture: 'amd64' };
  const arm = { os: 'linux', architecture: 'arm64', variant: 'v8' };
  expect(platformsKey([amd, arm])).toBe(platformsKey([arm, amd]));
  expect(platformsKey()).toBe('');
});
