import { expect, test } from 'bun:test';
import { digestOf, parseRepository } from '#core/oci';
import { bodyOf, type Call } from '#core/registry';
import { openSqlite } from '#core/sql';
import { silentLog, systemClock } from '#core/std';
import { createStore, diskFs, openFolder, storeModule } from './mod.ts';
import { temporaryFolder } from './testing/mod.ts';

test('the example of the README', async () => {
  const { path, dispose } = temporaryFolder();
  const log = silentLog();
  const clock = systemClock();
  const random = (sizeBytes: number) => crypto.getRandomValues(new Uint8Array(sizeBytes));
  const repository = parseRepository('team/app');
  const call: Call = { principal: { kind: 'person', name: 'alice' }, requestId: 'example', purpose: 'push' };

  const folder = await openFolder(path, diskFs());
  const database = await openSqlite({ path: folder.layout.catalog, modules: [storeModule], writer: 'inline', log });
  const store = await createStore({ folder, database, clock, random, log });

  const blob = new TextEncoder().encode('a layer');
  await store.putBlob(repository, { digest: digestOf(blob) }, blob, call);

  const answer = await store.getBlob(repository, digestOf(blob), { range: { start: 2 } }, call);
  expect(await new Response(bodyOf(answer.value)).text()).toBe('layer');
  await store.close();
  await database.close();
  folder.release();
  dispose();
});
