import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest, RepositoryName, TagName } from '#core/oci';
import { openSqlite } from '#core/sql';
import { silentLog } from '#core/std';
import { mirrorSql, sqlState } from './sql-state.ts';
import { type ImageRecord, type MirrorState, memoryState } from './state.ts';

const folder = await mkdtemp(join(tmpdir(), 'entrepot-mirror-state-'));
const database = await openSqlite({
  path: join(folder, 'state.db'),
  modules: [mirrorSql],
  writer: 'inline',
  log: silentLog(),
});
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

const APP = 'team/app' as RepositoryName;
const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const RECORD: ImageRecord = {
  destination: 'here',
  repository: APP,
  tag: '1.0' as TagName,
  source: 'quay.io/vendor/app:1.0',
  digest: digest('a'),
  platforms: 'linux/amd64',
  manifests: [digest('a'), digest('b')],
  companions: { referrers: [digest('b')], tags: { [`sha256-${'a'.repeat(64)}.sig`]: digest('c') } },
  verifiedAtMs: 1_800_000_000_000,
};

const STATES: readonly { name: string; state: MirrorState }[] = [
  { name: 'in memory', state: memoryState() },
  { name: 'in a database', state: sqlState(database) },
];

describe.each(STATES)('records $name', ({ state }) => {
  test('of an image are found by destination, repository and tag, as they were saved', async () => {
    const { destination, repository, tag } = RECORD;
    expect(await state.image({ destination, repository, tag })).toBeUndefined();
    await state.saveImages([RECORD, { ...RECORD, tag: '2.0' as TagName, digest: digest('d') }]);
    expect(await state.image({ destination, repository, tag })).toEqual(RECORD);
    expect(await state.image({ destination: 'elsewhere', repository, tag })).toBeUndefined();
  });

  test('of an image are replaced', async () => {
    const moved = { ...RECORD, digest: digest('e'), companions: { referrers: [], tags: {} }, verifiedAtMs: 1 };
    await state.saveImages([RECORD]);
    await state.saveImages([moved]);
    expect(await state.image(RECORD)).toEqual(moved);
  });

  test('of a source are kept for each repository', async () => {
    const fact = { source: 'quay.io', repository: APP, referrers: false, learnedAtMs: 5 };
    expect(await state.sourceFact('quay.io', APP)).toBeUndefined();
    await state.saveSourceFact(fact);
    expect(await state.sourceFact('quay.io', APP)).toEqual(fact);
    await state.saveSourceFact({ ...fact, referrers: true, learnedAtMs: 6 });
    expect(await state.sourceFact('quay.io', APP)).toEqual({ ...fact, referrers: true, learnedAtMs: 6 });
    expect(await state.sourceFact('docker.io', APP)).toBeUndefined();
  });

  test('of a blob say where it was last seen', async () => {
    expect(await state.blobHome('here', digest('f'))).toBeUndefined();
    await state.saveBlobHomes([{ destination: 'here', digest: digest('f'), repository: APP }]);
    await state.saveBlobHomes([
      { destination: 'here', digest: digest('f'), repository: 'team/other' as RepositoryName },
    ]);
    expect(await state.blobHome('here', digest('f'))).toBe('team/other' as RepositoryName);
    expect(await state.blobHome('elsewhere', digest('f'))).toBeUndefined();
  });
});
