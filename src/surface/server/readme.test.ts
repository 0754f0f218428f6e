import { expect, test } from 'bun:test';
import { memory } from '#core/registry';
import { silentLog, systemClock } from '#core/std';
import {
  createDistribution,
  createHealth,
  createHostGuard,
  createServerMetrics,
  createSite,
  createStaticAccess,
  startServer,
} from './mod.ts';

const access = createStaticAccess({ anonymous: 'loopback-default' });
const accessLog = () => {};
const machine = {
  clock: systemClock(),
  log: silentLog(),
  random: Math.random,
  timer: performance.now.bind(performance),
};

test('the example of the README', async () => {
  const metrics = createServerMetrics();
  const distribution = createDistribution({ registry: memory(), metrics, access, accessLog, ...machine });
  const health = createHealth({ readiness: () => ({ ready: true }), metrics, version: '1.0.0' });
  const fetchSite = createSite({ distribution, health, hostGuard: createHostGuard() });
  const server = startServer({ listen: { hostname: '127.0.0.1', port: 0 }, fetch: fetchSite, ...machine });
  expect((await fetch(`${server.url}/v2/`)).status).toBe(200);
  await server.stop();
});
