import { expect, test } from 'bun:test';
import { takeEnvironment } from './environment.ts';

test('the runtime is left without proxy variables, we keep them', () => {
  const variables = { HOME: '/home/a', HTTPS_PROXY: 'http://proxy:1', no_proxy: 'internal', NO_PROXY: '*' };
  const taken = takeEnvironment(variables);
  expect(taken).toEqual({ HOME: '/home/a', HTTPS_PROXY: 'http://proxy:1', no_proxy: 'internal', NO_PROXY: '*' });
  expect(variables).toEqual({ HOME: '/home/a' } as typeof variables);
});
