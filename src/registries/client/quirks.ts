/** How blob uploads are sent: `monolithic` POST + PUT, `patch` one streamed PATCH and a closing PUT, `chunked` many PATCHes. */
export type UploadMode = 'monolithic' | 'patch' | 'chunked';

/** What is special about a registry product, as data. Anything learned while talking to it wins over this. */
export type Quirks = {
  /** Where the API lives when that is not the host of the name. */
  readonly apiHost?: string;
  /** Upload modes to try in this order; what is not listed does not work there. */
  readonly uploads: readonly UploadMode[];
  /** Length of the chunks of `chunked`, and how much is held in memory when a size is unknown. */
  readonly chunkBytes: number;
  /** `from`: a mount must name its source; `any`: it need not; `none`: mounts are never asked for. */
  readonly mount: 'from' | 'any' | 'none';
  /** Whether several `?tag=` on one manifest PUT are understood. `ask`: found out by the first that has several. */
  readonly multiTag: 'yes' | 'no' | 'ask';
  /** False: known to have no referrers API; undefined: found out per repository. */
  readonly referrers?: boolean;
  /** Credentials are sent without being asked for: saves the 401 where Basic is always asked. */
  readonly preemptive?: 'basic';
  /** 403 stands for "no such manifest" too, as the product hides what it does not have. */
  readonly deniedMeansUnknown?: boolean;
  /** Requests in flight at once, for reads and for writes each. */
  readonly concurrency: number;
};

export const defaultQuirks: Quirks = {
  uploads: ['monolithic', 'patch', 'chunked'],
  // Azure's own client sends 4 MiB; small enough to hold some of them in memory.
  chunkBytes: 4 * 1024 * 1024,
  mount: 'any',
  multiTag: 'ask',
  // Enough to fill a link with layers; registries answer 429 to hundreds.
  concurrency: 8,
};

type QuirkRow = { readonly name: string; readonly pattern: RegExp; readonly quirks: Partial<Quirks> };

/** By host name. Sources stand beside each row. */
const QUIRKS: readonly QuirkRow[] = [
  {
    name: 'Docker Hub',
    pattern: /^docker\.io$/,
    // Monolithic PUTs of about 100 MB were answered 400 (atlanhq/application-sdk#2020); no referrers API: found out by asking.
    quirks: { apiHost: 'registry-1.docker.io', uploads: ['patch', 'monolithic', 'chunked'] },
  },
  { name: 'GitHub', pattern: /^ghcr\.io$/, quirks: { uploads: ['monolithic', 'chunked'] } },
  // google/go-containerregistry pkg/v1/remote/write.go: a mount without `from` is an error at Quay.
  { name: 'Quay', pattern: /^quay\.io$/, quirks: { mount: 'from' } },
  {
    name: 'Amazon ECR',
    pattern: /^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/,
    // The second and later chunks vanish with a 201 (aws/containers-roadmap#2831).
    quirks: { uploads: ['monolithic'], preemptive: 'basic', mount: 'from' },
  },
  { name: 'Amazon ECR Public', pattern: /^public\.ecr\.aws$/, quirks: { uploads: ['monolithic'], mount: 'none' } },
  {
    name: 'Google',
    pattern: /^([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)$/,
    // cloud.google.com/artifact-registry/docs/docker: "chunked uploads are not supported".
    quirks: { uploads: ['monolithic', 'patch'] },
  },
  { name: 'Azure', pattern: /^[a-z0-9-]+\.azurecr\.(io|cn|us)$/, quirks: { uploads: ['monolithic', 'chunked'] } },
];

/** The quirks of a host, by its name alone. */
export function quirksOf(host: string): Quirks {
  const row = QUIRKS.find(({ pattern }) => pattern.test(host));
  return row ? { ...defaultQuirks, ...row.quirks } : defaultQuirks;
}
