import { expect } from 'bun:test';
import { makeCosign } from '../harness/cosign.ts';
import { testWith } from '../harness/need.ts';
import { pushImage } from '../harness/push.ts';
import { listTags } from '../harness/read.ts';
import { withRegistry } from '../harness/target.ts';

const forms = [
  { name: 'as referrers (cosign 3)', form: 'bundle' as const, tagged: false },
  { name: 'as tags (cosign 2)', form: 'tags' as const, tagged: true },
];

for (const { name, form, tagged } of forms) {
  testWith(['cosign'], `cosign signs, attests and verifies ${name}`, {
    body: () =>
      withRegistry(`cosign-${form}`, async ({ server, folder, image }) => {
        await pushImage(server.host, 'team/app', { image, tags: ['v1'] });
        const cosign = await makeCosign(folder);
        const ref = `${server.host}/team/app@${image.digest}`;
        const before = await cosign.verify(form, ref).catch((error: Error) => error);
        expect(before).toBeInstanceOf(Error);

        await cosign.sign(form, ref);
        expect((await cosign.verify(form, ref)).stdout).toContain(image.digest);
        await cosign.attest(form, ref);
        await cosign.verifyAttestation(form, ref);

        const tag = image.digest.replace(':', '-');
        const tags = await listTags(server.host, 'team/app');
        expect(tags.includes(`${tag}.sig`) && tags.includes(`${tag}.att`)).toBe(tagged);
      }),
  });
}
