import { expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { bodyOf, memoryCache } from '#core/registry';
import { silentLog, systemClock } from '#core/std';
import { CALL as call, fakeSource, REPO as repository } from './flight.fake.ts';
import { createFlights } from './flights.ts';

test('the example of the README', async () => {
  const bytes = new TextEncoder().encode('once for everybody');
  const digest = digestOf(bytes);
  const sources = [fakeSource('upstream', bytes)];
  const [store, clock, log] = [memoryCache(), systemClock(), silentLog()];
  const random = () => 0;
  const observe = () => {};
  const flights = createFlights({ parts: store.cache.parts, link: store.cache.linkBlob, clock, random, log, observe });
  const { value } = await flights.read({ repository, digest, sources }, { start: 0, end: 4 }, call);
  expect(await new Response(bodyOf(value)).text()).toBe('once');
});
