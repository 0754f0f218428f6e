import { expect, test } from 'bun:test';
import { parseRepository, parseTag } from '#core/oci';
import { memory, memoryCache } from '#core/registry';
import { pushImage, sampleImage } from '#core/registry/contract';
import { silentLog, systemClock } from '#core/std';
import { cached, createFlights, createUpstream, memoryProxyState, type ProxyEvent } from './mod.ts';
import { PULL, RULES } from './proxy.fake.ts';

test('the example of the README', async () => {
  const elsewhere = memory({ name: 'docker.io' });
  const client = { ...elsewhere, state: () => ({}) };
  await pushImage(elsewhere, 'library/redis', sampleImage('redis'), { tags: ['7'] });
  const [store, clock, random, log] = [memoryCache(), systemClock(), () => 0.5, silentLog()];
  const [namespace, tag, call, rules, state] = [
    parseRepository('hub'),
    parseTag('7'),
    PULL,
    RULES,
    memoryProxyState(clock),
  ];
  const events: ProxyEvent[] = [];
  const observe = (event: ProxyEvent) => events.push(event);

  const upstream = createUpstream({ host: 'docker.io', accounts: [{ name: 'anonymous', client }], clock, random, log });
  const flights = createFlights({ parts: store.cache.parts, link: store.cache.linkBlob, clock, random, log, observe });
  const upstreams = [{ upstream, prefix: '' }];
  const hub = cached({ namespace, store, flights, upstreams, rules, state, clock, random, log, observe });
  const { value, served } = await hub.getManifest(parseRepository('hub/redis'), tag, call);
  expect([served.verdict, served.upstream]).toEqual(['miss', 'docker.io']);
  expect((await hub.explain(parseRepository('hub/redis'), tag, call)).next).toBe('hit');

  expect(value.descriptor.digest).toBe(sampleImage('redis').descriptor.digest);
  await upstream.close();
});
