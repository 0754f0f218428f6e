import { expect, test } from 'bun:test';
import { pushImage, registryContract, repo, sampleImage, tag, testCall } from './contract/mod.ts';
import {
  type Check,
  forwardExtras,
  guarded,
  immutable,
  memory,
  observed,
  type Registry,
  type RegistryEvent,
  routed,
} from './mod.ts';

test('the example of the README', async () => {
  const events: RegistryEvent[] = [];
  const sink = (event: RegistryEvent) => events.push(event);
  const now = () => 0;
  const check: Check = ({ repository }) =>
    repository.startsWith('team/') ? { allow: true } : { allow: false, rule: 'team only', reason: 'not ours' };
  const store = memory({ name: 'store' });
  const registry = observed(guarded(routed({ team: immutable(store, ['semver']) }), check), { sink, now });
  await pushImage(registry, 'team/app', sampleImage('first'), { tags: ['1.0.0'] });
  const { value, served } = await registry.getManifest(repo('team/app'), tag('1.0.0'), testCall());
  expect([value.descriptor.digest, served.by]).toEqual([sampleImage('first').descriptor.digest, 'store']);
  expect(events.at(-1)?.operation.name).toBe('getManifest');
  const again = pushImage(registry, 'team/app', sampleImage('second'), { tags: ['1.0.0'] });
  await expect(again).rejects.toMatchObject({ code: 'TAG_IMMUTABLE', detail: { rule: 'semver' } });
});

function shouting(next: Registry): Registry {
  return {
    ...next,
    async getManifest(repository, reference, call) {
      const { value, served } = await next.getManifest(repository, reference, call);
      return { value, served: { ...served, warnings: [...served.warnings, 'LOUD'] } };
    },
    extras: forwardExtras(next, { tagDigests: 'forward', ensureRepository: 'forward', capabilities: 'forward' }),
  };
}

registryContract('shouting', () => ({ registry: shouting(memory()) }));

test('the wrapper of the README shouts', async () => {
  const registry = shouting(memory());
  await pushImage(registry, 'team/app', sampleImage('loud'), { tags: ['v1'] });
  expect((await registry.getManifest(repo('team/app'), tag('v1'), testCall())).served.warnings).toEqual(['LOUD']);
});
