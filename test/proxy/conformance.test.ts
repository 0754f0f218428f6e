import { expect } from 'bun:test';
import { type Image, manifestType, sha256 } from '../harness/image.ts';
import { testWith } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { pushBlob, pushImage, putManifest } from '../harness/push.ts';
import { smallImage } from '../harness/target.ts';
import { type Stage, type StageOptions, withStage } from './stage.ts';

const repository = 'conformance/one';
const indexType = 'application/vnd.oci.image.index.v1+json';
const emptyType = 'application/vnd.oci.empty.v1+json';
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** What the suite calls the parts of the API that a reader uses. */
const mustPass = [
  'Tag listing',
  'Blob get',
  'Blob head',
  'Manifest get by digest',
  'Manifest get by tag',
  'Manifest head by digest',
  'Manifest head by tag',
  'Referrers',
  'Ping',
  'Read Only Inputs',
];

/** An index of an image, and an artifact that refers to the image. */
async function pushContent(host: string, image: Image): Promise<{ manifests: string[]; blobs: string[] }> {
  await pushImage(host, repository, { image, tags: ['1.0'] });
  const descriptor = { mediaType: manifestType, digest: image.digest, size: image.manifest.length };
  const index = encode({ schemaVersion: 2, mediaType: indexType, manifests: [descriptor] });
  await putManifest(host, repository, { reference: 'index', manifest: index, mediaType: indexType });
  const empty = { mediaType: emptyType, digest: sha256('{}'), size: 2 };
  await pushBlob(host, repository, { digest: empty.digest, body: new Blob(['{}']) });
  const artifact = encode({
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: 'application/vnd.example.note',
    config: empty,
    layers: [empty],
    subject: descriptor,
  });
  await putManifest(host, repository, { reference: sha256(artifact), manifest: artifact });
  return {
    manifests: [image.digest, sha256(index), sha256(artifact)],
    blobs: [image.configDigest, empty.digest, ...image.layers.map(({ digest }) => digest)],
  };
}

/** The suite's tables, by line: `Blob get` → `Pass`. */
async function readOnlySuite(program: string, host: string, env: Record<string, string>) {
  const off = ['PUSH', 'BLOBS_DELETE', 'MANIFESTS_DELETE', 'TAGS_DELETE'];
  // Reading only, the suite looks for these headers in a response that it has thrown away: our other tests have them.
  off.push('BLOBS_DIGEST_HEADER', 'MANIFESTS_DIGEST_HEADER');
  const suite = {
    OCI_REGISTRY: host,
    OCI_TLS: 'disabled',
    OCI_REPO1: `hub/${repository}`,
    OCI_REPO2: 'hub/conformance/two',
    OCI_VERSION: 'dev',
    ...Object.fromEntries(off.map((name) => [`OCI_API_${name}`, 'false'])),
    ...env,
  };
  // It shows its results, then fails (2) on a report in YAML that we do not need.
  const { stdout } = await run([program], { env: suite, cwd: env.OCI_RESULTS_DIR ?? '.', okCodes: [0, 1, 2] });
  return new Map([...stdout.matchAll(/^ {2}(\S.*?)\.{3,}: +(\S+)$/gm)].map(([, name = '', how = '']) => [name, how]));
}

async function readOnly({ upstream, ours, folder }: Stage, program: string): Promise<void> {
  const image = await smallImage('conformance');
  const { manifests, blobs } = await pushContent(upstream.host, image);
  const env = {
    OCI_RESULTS_DIR: folder,
    OCI_RO_DATA_TAGS: '1.0 index',
    OCI_RO_DATA_MANIFESTS: manifests.join(' '),
    OCI_RO_DATA_BLOBS: blobs.join(' '),
    OCI_RO_DATA_REFERRERS: image.digest,
  };
  // Cold, and then again from what is here.
  for (const round of ['cold', 'warm']) {
    const results = await readOnlySuite(program, ours.host, env);
    const wrong = mustPass
      .filter((name) => results.get(name) !== 'Pass')
      .map((name) => `${name}: ${results.get(name)}`);
    expect([round, wrong]).toEqual([round, []]);
    expect([results.get('FAIL'), results.get('Error'), results.get('Skip')]).toEqual(['0', '0', '0']);
  }
}

const upstreams: readonly StageOptions['upstream'][] = ['entrepot', 'registry'];
for (const upstream of upstreams) {
  const programs = upstream === 'registry' ? ['conformance', 'registry'] : ['conformance'];
  testWith(programs, `OCI conformance, reading only, of a proxy namespace over ${upstream}`, {
    timeoutMs: 120_000,
    body: (program) =>
      withStage(`conformance-${upstream}`, { upstream }, (stage) => readOnly(stage, program('conformance'))),
  });
}
