import {
  type Descriptor,
  type Digest,
  digestOf,
  MediaType,
  parseRepository,
  parseTag,
  type RepositoryName,
  referrersTag,
  type TagName,
} from '#core/oci';
import type { Call, Registry } from '#core/registry';
import { printingProgram } from './program.ts';
import type { SampleSigner } from './signer.ts';
import { tarOf } from './tar.ts';

export const VENDOR_REPOSITORY = parseRepository('vendor/hello');
const VERSION_TAGS = ['1.0.0', 'latest'];
const EPOCH = '2026-01-01T00:00:00Z';
const COSIGN_PAYLOAD = 'application/vnd.dev.cosign.simplesigning.v1+json';
const DSSE = 'application/vnd.dsse.envelope.v1+json';
const IN_TOTO = 'application/vnd.in-toto+json';
const SPDX = 'application/spdx+json';
const SLSA = 'https://slsa.dev/provenance/v1';

/**
 * Fills a registry with what a vendor of hardened images publishes: an index of two platforms, a cosign
 * signature and attestation under cosign's tags, an SBOM as a referrer. Equal at every start.
 */
export async function fillSampleVendor(registry: Registry, signer: SampleSigner, call: Call): Promise<Digest> {
  const desk = deskOf(registry, VENDOR_REPOSITORY, call);
  const platforms = [await pushPlatform(desk, 'amd64'), await pushPlatform(desk, 'arm64')];
  const index = await desk.manifest(
    { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: platforms },
    { mediaType: MediaType.ociIndex, tags: VERSION_TAGS },
  );
  await pushSignature(desk, index.digest, signer);
  await pushAttestation(desk, index.digest, signer);
  await pushSbom(desk, index);
  return index.digest;
}

type Layer = { readonly bytes: Uint8Array; readonly mediaType: string; readonly annotations?: Record<string, string> };
type Desk = {
  blob(layer: Layer): Promise<Record<string, unknown> & { readonly digest: Digest }>;
  manifest(
    json: object,
    options: { readonly mediaType: string; readonly tags?: readonly string[] },
  ): Promise<Descriptor>;
};

/** Pushing, with the repetitive parts left out. */
function deskOf(registry: Registry, repository: RepositoryName, call: Call): Desk {
  return {
    async blob({ bytes, mediaType, annotations }) {
      const digest = digestOf(bytes);
      await registry.putBlob(repository, { digest, size: bytes.length }, bytes, call);
      return { mediaType, digest, size: bytes.length, ...(annotations ? { annotations } : {}) };
    },
    async manifest(json, { mediaType, tags = [] }) {
      const names: TagName[] = tags.map(parseTag);
      const put = await registry.putManifest(repository, encode(json), { mediaType, tags: names }, call);
      return put.descriptor;
    },
  };
}

async function pushPlatform(desk: Desk, architecture: 'amd64' | 'arm64') {
  const greeting = `Hello from a mirrored image (linux/${architecture}).\n`;
  const archive = tarOf([
    { path: 'hello', mode: 0o755, bytes: printingProgram(architecture, greeting) },
    { path: 'README', mode: 0o644, bytes: new TextEncoder().encode(`A sample image of entrepot's quickstart.\n`) },
  ]);
  const layer = await desk.blob({ bytes: Bun.gzipSync(Buffer.from(archive)), mediaType: MediaType.ociLayerGzip });
  const config = await desk.blob({
    mediaType: MediaType.ociConfig,
    bytes: encode({
      created: EPOCH,
      architecture,
      os: 'linux',
      config: { Entrypoint: ['/hello'], Labels: { 'org.opencontainers.image.title': 'hello' } },
      rootfs: { type: 'layers', diff_ids: [digestOf(archive)] },
      history: [{ created: EPOCH, created_by: 'entrepot quickstart' }],
    }),
  });
  const image = await desk.manifest(
    { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [layer] },
    { mediaType: MediaType.ociManifest },
  );
  return {
    mediaType: image.mediaType,
    digest: image.digest,
    size: image.size,
    platform: { os: 'linux', architecture },
  };
}

/** Source: cosign specs/SIGNATURE_SPEC.md, "simple signing". */
async function pushSignature(desk: Desk, subject: Digest, signer: SampleSigner): Promise<void> {
  const bytes = encode({
    critical: {
      identity: { 'docker-reference': VENDOR_REPOSITORY },
      image: { 'docker-manifest-digest': subject },
      type: 'cosign container image signature',
    },
    optional: null,
  });
  const annotations = { 'dev.cosignproject.cosign/signature': await signer.sign(bytes) };
  await pushCosign(desk, { bytes, mediaType: COSIGN_PAYLOAD, annotations }, `${referrersTag(subject)}.sig`);
}

/** A build record in an in-toto statement. Sources: slsa.dev/spec/v1.0/provenance, secure-systems-lab/dsse. */
async function pushAttestation(desk: Desk, subject: Digest, signer: SampleSigner): Promise<void> {
  const statement = encode({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: VENDOR_REPOSITORY, digest: { sha256: subject.slice('sha256:'.length) } }],
    predicateType: SLSA,
    predicate: {
      buildDefinition: { buildType: 'urn:entrepot:sample', externalParameters: {}, resolvedDependencies: [] },
      runDetails: { builder: { id: 'urn:entrepot:quickstart' }, metadata: { startedOn: EPOCH } },
    },
  });
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${IN_TOTO.length} ${IN_TOTO} ${statement.length} `), statement]);
  const signatures = [{ keyid: '', sig: await signer.sign(signed) }];
  const bytes = encode({ payloadType: IN_TOTO, payload: Buffer.from(statement).toString('base64'), signatures });
  const annotations = { 'dev.cosignproject.cosign/signature': '', predicateType: SLSA };
  await pushCosign(desk, { bytes, mediaType: DSSE, annotations }, `${referrersTag(subject)}.att`);
}

async function pushCosign(desk: Desk, layer: Layer, tag: string): Promise<void> {
  const pushed = await desk.blob(layer);
  const config = await desk.blob({
    mediaType: MediaType.ociConfig,
    bytes: encode({
      architecture: '',
      os: '',
      config: {},
      rootfs: { type: 'layers', diff_ids: [pushed.digest] },
      history: [{ created: '0001-01-01T00:00:00Z' }],
    }),
  });
  await desk.manifest(
    { schemaVersion: 2, mediaType: MediaType.ociManifest, config, layers: [pushed] },
    { mediaType: MediaType.ociManifest, tags: [tag] },
  );
}

/** Source: spdx.github.io/spdx-spec/v2.3; attached as image-spec manifest.md, "Guidelines for Artifact Usage". */
async function pushSbom(desk: Desk, subject: Descriptor): Promise<void> {
  const sbom = await desk.blob({
    mediaType: SPDX,
    bytes: encode({
      spdxVersion: 'SPDX-2.3',
      dataLicense: 'CC0-1.0',
      SPDXID: 'SPDXRef-DOCUMENT',
      name: VENDOR_REPOSITORY,
      documentNamespace: `urn:entrepot:sample:${subject.digest}`,
      creationInfo: { created: EPOCH, creators: ['Tool: entrepot-quickstart'] },
      packages: [
        {
          SPDXID: 'SPDXRef-Package-hello',
          name: 'hello',
          versionInfo: '1.0.0',
          downloadLocation: 'NOASSERTION',
          filesAnalyzed: false,
          licenseConcluded: 'Apache-2.0',
        },
      ],
    }),
  });
  const config = await desk.blob({ bytes: encode({}), mediaType: MediaType.ociEmpty });
  await desk.manifest(
    {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      artifactType: SPDX,
      config,
      layers: [sbom],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      annotations: { 'org.opencontainers.image.created': EPOCH },
    },
    { mediaType: MediaType.ociManifest },
  );
}

function encode(json: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}
