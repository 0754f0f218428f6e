/**
 * Pushes blobs that nobody has seen, several at once, and prints the seconds it took.
 * A process of its own, so that its work is not measured as anything else's.
 * bun bench/push-load.ts HOST REPOSITORY COUNT BYTES CONCURRENCY
 */
import { createHash, randomBytes } from 'node:crypto';
import { pushBlob } from '../test/harness/push.ts';

const [host = '', repository = '', count = '40', bytes = '10000000', concurrency = '4'] = process.argv.slice(2);

// Made and hashed before the clock starts: one random body, a different head for each blob.
const base = randomBytes(Number(bytes));
const blobs = Array.from({ length: Number(count) }, () => {
  const body = Buffer.from(base);
  randomBytes(32).copy(body);
  return { digest: `sha256:${createHash('sha256').update(body).digest('hex')}`, body: new Blob([body]) };
});
const started = performance.now();
await Promise.all(
  Array.from({ length: Number(concurrency) }, async () => {
    for (let blob = blobs.pop(); blob; blob = blobs.pop()) await pushBlob(host, repository, blob);
  }),
);
process.stdout.write(`${(performance.now() - started) / 1000}\n`);
