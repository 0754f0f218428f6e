import { expect } from 'bun:test';
import { makeCosign } from '../harness/cosign.ts';
import { testWith } from '../harness/need.ts';
import { pushImage } from '../harness/push.ts';
import { smallImage } from '../harness/target.ts';
import { withStage } from './stage.ts';

const upstreams = [
  { name: 'an upstream with the referrers API', upstream: 'entrepot' as const, programs: ['cosign'] },
  { name: 'distribution v3, which has none', upstream: 'registry' as const, programs: ['cosign', 'registry'] },
];
const namespaces = ['team: { type: hosted }', 'all: { type: virtual, members: [team, hub], push: team }'];
// Signs twice and verifies ten times.
const timeoutMs = 120_000;

for (const { name, upstream, programs } of upstreams) {
  testWith(programs, `cosign verifies v2 and v3 signatures of ${name}, through a proxy and a virtual namespace`, {
    timeoutMs,
    body: () =>
      withStage(`cosign-${upstream}`, { upstream, namespaces }, async (stage) => {
        const image = await smallImage('signed');
        const unsigned = await smallImage('unsigned');
        await pushImage(stage.upstream.host, 'library/app', { image, tags: ['1.0'] });
        await pushImage(stage.upstream.host, 'library/bare', { image: unsigned, tags: ['1.0'] });
        const cosign = await makeCosign(stage.folder);
        const there = `${stage.upstream.host}/library/app@${image.digest}`;
        for (const form of ['tags', 'bundle'] as const) {
          await cosign.sign(form, there);
          await cosign.attest(form, there);
        }
        for (const namespace of ['hub', 'all']) {
          for (const ref of [`library/app@${image.digest}`, 'library/app:1.0']) {
            const here = `${stage.ours.host}/${namespace}/${ref}`;
            for (const form of ['tags', 'bundle'] as const) {
              expect((await cosign.verify(form, here)).stdout).toContain(image.digest);
              await cosign.verifyAttestation(form, here);
            }
          }
          const bare = `${stage.ours.host}/${namespace}/library/bare:1.0`;
          expect(await cosign.verify('bundle', bare).catch((error: Error) => error)).toBeInstanceOf(Error);
        }
      }),
  });
}
