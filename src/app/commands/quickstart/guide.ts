import type { ImageDetail, MirrorReport } from '#surface/server/api';

export type GuideFacts = {
  readonly version: string;
  /** As a person starts the program here. */
  readonly program: string;
  readonly url: string;
  /** The port that was wanted, when another one had to be taken. */
  readonly takenPort?: number;
  readonly storage: string;
  readonly vendorUrl: string;
  readonly publicKey: string;
  readonly report: MirrorReport;
  /** The sample image as it is here now. */
  readonly image: ImageDetail;
};

/** What somebody who has just typed `npm start` should know: what happened, and what can be typed next. */
export function guideText(facts: GuideFacts): string {
  const host = new URL(facts.url).host;
  const reference = `${host}/${facts.image.repository}:1.0.0`;
  return `
entrepot ${facts.version}: there is no entrepot.yaml here, so this is a tour with a sample image.

  vendor    a made-up vendor's registry, in this process: ${facts.vendorUrl}
  mirror    ${mirrored(facts.report)}
  registry  serving at ${facts.url}${taken(facts)}, for this machine only
  content   kept in ${facts.storage}

${facts.image.repository}:1.0.0 and :latest
  digest    ${facts.image.digest} (as at the vendor)
  platforms ${facts.image.platforms.join(', ')}
${facts.image.attached.map((item) => `  attached  ${attachedName(item.artifactType).padEnd(11)} ${item.artifactType}`).join('\n')}

Pull it, in another terminal:
  docker run --rm ${reference}
  podman run --rm --tls-verify=false ${reference}
  crane digest ${reference}
  cosign verify --key ${facts.publicKey} --insecure-ignore-tlog --allow-http-registry ${reference}

Look around:
  ${facts.program} status
  ${facts.program} image list
  ${facts.program} image show ${facts.image.repository}:1.0.0

Mirror something of your own:
  ${facts.program} image copy docker.io/library/alpine:3.22 team/alpine:3.22

Write a configuration, which \`npm start\` and \`${facts.program} serve\` then use:
  ${facts.program} init

Ctrl-C stops; what was copied stays, and the next start finds it again. Requests are logged below.

`;
}

function mirrored(report: MirrorReport): string {
  if (report.copied === 0) return `nothing to copy: ${report.unchanged} tags are as they are at the vendor`;
  return `copied ${report.copied} tags with all that is attached, in ${report.durationMs} ms`;
}

function taken({ takenPort }: GuideFacts): string {
  return takenPort === undefined ? '' : ` (port ${takenPort} was taken)`;
}

function attachedName(artifactType: string): string {
  if (artifactType.includes('simplesigning')) return 'signature';
  if (artifactType.includes('dsse')) return 'attestation';
  return artifactType.includes('spdx') ? 'SBOM' : 'artifact';
}
