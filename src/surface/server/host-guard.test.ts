import { expect, test } from 'bun:test';
import { createHostGuard } from './host-guard.ts';
import { partsOf } from './url.ts';

const cases = [
  { name: 'localhost', host: 'localhost:5000', origin: undefined, passes: true },
  { name: 'an IPv4 loopback address', host: '127.0.0.53:5000', origin: undefined, passes: true },
  { name: 'the IPv6 loopback address', host: '[::1]:5000', origin: undefined, passes: true },
  { name: 'the configured host', host: 'registry.example.com', origin: undefined, passes: true },
  { name: 'a foreign host', host: 'evil.example:5000', origin: undefined, passes: false },
  { name: 'a host that begins like ours', host: 'localhost.evil.example', origin: undefined, passes: false },
  { name: 'an address elsewhere', host: '10.0.0.1:5000', origin: undefined, passes: false },
  { name: 'our own page', host: 'localhost:5000', origin: 'http://localhost:5000', passes: true },
  { name: 'our page under its name', host: 'localhost:5000', origin: 'https://registry.example.com', passes: true },
  { name: 'a foreign page', host: 'localhost:5000', origin: 'https://evil.example', passes: false },
  { name: 'another server of this machine', host: 'localhost:5000', origin: 'http://localhost:3000', passes: false },
  { name: 'a page without origin', host: 'localhost:5000', origin: 'null', passes: false },
];

test.each(cases)('$name', ({ host, origin, passes }) => {
  const guard = createHostGuard('registry.example.com');
  const request = new Request(`http://${host}/v2/`, { headers: origin === undefined ? {} : { origin } });
  const refusal = guard(request, partsOf(request.url).authority);
  expect(refusal?.code).toBe(passes ? undefined : 'DENIED');
  // A good request before does not help a bad one after.
  const good = new Request('http://localhost:5000/v2/');
  expect(guard(good, 'localhost:5000')).toBeUndefined();
  expect(guard(request, partsOf(request.url).authority)?.code).toBe(passes ? undefined : 'DENIED');
});

test('a request without a usable Host is refused', () => {
  expect(createHostGuard()(new Request('http://localhost/v2/'), partsOf('/v2/').authority)?.code).toBe('DENIED');
});

test('a host that a namespace answers for', () => {
  const guard = createHostGuard(undefined, ['hub.registry.test']);
  expect(guard(new Request('http://hub.registry.test/v2/'), 'hub.registry.test')).toBeUndefined();
  expect(guard(new Request('http://evil.test/v2/'), 'evil.test')?.code).toBe('DENIED');
});
