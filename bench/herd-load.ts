/**
 * Pulls one image by its tag 1.0 many times at once, as as many nodes do: the manifest, then all blobs together.
 * Prints the seconds until the last has it all. A process of its own, so that its work is not measured as another's.
 * bun bench/herd-load.ts HOST REPOSITORY PULLERS BYTES DIGEST,DIGEST…
 */
import { acceptAll } from '../test/harness/read.ts';
import { openReader } from '../test/harness/reader.ts';

const [host = '', repository = '', pullers = '50', bytes = '0', digests = ''] = process.argv.slice(2);
const port = Number(host.split(':')[1]);
const base = `/v2/${repository}`;

async function pull(): Promise<void> {
  const manifest = openReader({ port, path: `${base}/manifests/1.0` }, { accept: acceptAll });
  const { status } = await manifest.done;
  if (status !== 200) throw new Error(`the manifest: ${status}`);
  const blobs = digests.split(',').map((digest) => openReader({ port, path: `${base}/blobs/${digest}` }).done);
  const answers = await Promise.all(blobs);
  const sum = answers.reduce((all, each) => all + each.bytes, 0);
  if (sum !== Number(bytes)) throw new Error(`${sum} bytes instead of ${bytes}: ${JSON.stringify(answers)}`);
}

const started = performance.now();
await Promise.all(Array.from({ length: Number(pullers) }, pull));
process.stdout.write(`${(performance.now() - started) / 1000}\n`);
process.exit();
