import type { ManifestReference, RepositoryName } from '#core/oci';
import type { Call } from '#core/registry';
import type { Clock } from '#core/std';
import { fixOf, wordsOf } from './probe-fix.ts';
import type { UpstreamAccount } from './types.ts';

/** The steps up to a pull; each stands on the one before. */
export const PROBE_STEPS = ['dns', 'tcp', 'tls', 'ping', 'token', 'scope', 'quota'] as const;
export type ProbeStep = (typeof PROBE_STEPS)[number];

/** One step and how it went. */
export type ProbeRung = {
  readonly step: ProbeStep;
  /** The steps from `token` on are one account's each. */
  readonly account?: string;
  readonly outcome: 'ok' | 'failed' | 'skipped';
  readonly durationMs: number;
  /** What was seen, or why it was not looked for. */
  readonly seen: string;
  /** What to do about a failure. */
  readonly fix?: string;
};

export type TlsFact = { readonly protocol?: string; readonly issuer?: string; readonly validToMs?: number };

/** How the outside is touched: given, so that this only orders and judges. Each rejects with what the system said. */
export type ProbeTools = {
  lookup(hostname: string): Promise<readonly string[]>;
  /** Opens a connection to an address, and closes it. */
  connect(address: string, port: number): Promise<void>;
  /** Opens a TLS connection by name, checks the certificate as pulls do, and closes it. */
  tlsConnect(address: string, port: number, servername: string): Promise<TlsFact>;
  /** GET without credentials or redirects. */
  ask(url: string): Promise<{ readonly status: number; readonly authenticate: string | null }>;
};

export type ProbeOptions = {
  /** Its name in references. */
  readonly host: string;
  /** Where it is. */
  readonly url: URL;
  /** All connections go through it, which then resolves names too. */
  readonly proxy?: string;
  readonly accounts: readonly UpstreamAccount[];
  /** What to try to read; without a repository that step is left out. */
  readonly repository?: RepositoryName;
  readonly reference?: ManifestReference;
  readonly tools: ProbeTools;
  readonly clock: Clock;
  readonly call: Call;
  /** Told of each rung as it is known. */
  readonly onRung?: (rung: ProbeRung) => void;
};

/** What a step saw; thrown: why it failed. */
type Finding = { readonly seen: string; readonly outcome?: 'skipped' | 'failed'; readonly fix?: string };
type Step = { readonly step: ProbeStep; readonly account?: string; readonly look: () => Promise<Finding> };

/** Longest that a step may take: a person looks on. */
const STEP_MS = 15_000;

/** Climbs from the name to the quota, and says at each step what was seen; after a failure the rest is left out. */
export async function probeUpstream(options: ProbeOptions): Promise<readonly ProbeRung[]> {
  const rungs: ProbeRung[] = [];
  const climb = async (steps: readonly Step[], failed: ProbeStep | undefined): Promise<ProbeStep | undefined> => {
    let broken = failed;
    for (const step of steps) {
      const rung = await rungOf(step, broken, options);
      rungs.push(rung);
      options.onRung?.(rung);
      if (rung.outcome === 'failed') broken ??= step.step;
    }
    return broken;
  };
  const failed = await climb(reachSteps(options), undefined);
  // An account that fails says nothing of the next.
  for (const account of options.accounts) await climb(accountSteps(account, options), failed);
  return rungs;
}

async function rungOf(
  { step, account, look }: Step,
  broken: ProbeStep | undefined,
  options: ProbeOptions,
): Promise<ProbeRung> {
  const { clock } = options;
  const common = { step, ...(account === undefined ? {} : { account }) };
  if (broken !== undefined) return { ...common, outcome: 'skipped', durationMs: 0, seen: `${broken} failed` };
  const startMs = clock.now();
  try {
    const { seen, outcome = 'ok', fix } = await within(look(), step);
    return { ...common, outcome, durationMs: clock.now() - startMs, seen, ...(fix === undefined ? {} : { fix }) };
  } catch (thrown) {
    const durationMs = clock.now() - startMs;
    return { ...common, outcome: 'failed', durationMs, seen: wordsOf(thrown), fix: fixOf(step, thrown, options) };
  }
}

function within<T>(task: Promise<T>, step: ProbeStep): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = Object.assign(new Error(`no answer to ${step} in ${STEP_MS / 1000} s`), { code: 'ETIMEDOUT' });
  const timer = setTimeout(() => reject(late), STEP_MS);
  return Promise.race([task, promise]).finally(() => clearTimeout(timer));
}

function reachSteps({ host, url, proxy, tools }: ProbeOptions): Step[] {
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  const byProxy: Finding | undefined =
    proxy === undefined ? undefined : { outcome: 'skipped', seen: `done by the proxy ${proxy}` };
  let addresses: readonly string[] = [];
  return [
    {
      step: 'dns',
      async look() {
        if (byProxy) return byProxy;
        addresses = await tools.lookup(name);
        if (addresses.length === 0) throw Object.assign(new Error(`${name} has no address`), { code: 'ENOTFOUND' });
        return { seen: `${name} is ${addresses.join(', ')}` };
      },
    },
    {
      step: 'tcp',
      async look() {
        if (byProxy) return byProxy;
        const address = await firstThat(addresses, (one) => tools.connect(one, port));
        addresses = [address];
        return { seen: `${address} port ${port} answers` };
      },
    },
    {
      step: 'tls',
      async look() {
        if (byProxy) return byProxy;
        if (url.protocol !== 'https:') return { outcome: 'skipped', seen: 'plain HTTP, as configured' };
        return { seen: tlsWords(await tools.tlsConnect(addresses[0] ?? name, port, name)) };
      },
    },
    {
      step: 'ping',
      look: async () => pingFinding(host, await tools.ask(new URL('/v2/', url).href)),
    },
  ];
}

/** The first address that takes a connection; otherwise what the last one said. */
async function firstThat(addresses: readonly string[], attempt: (address: string) => Promise<void>): Promise<string> {
  let last: unknown;
  for (const address of addresses) {
    try {
      await attempt(address);
      return address;
    } catch (thrown) {
      last = thrown;
    }
  }
  throw last;
}

function tlsWords({ protocol = 'TLS', issuer, validToMs }: TlsFact): string {
  const by = issuer === undefined ? '' : `, certificate by ${issuer}`;
  const until = validToMs === undefined ? '' : `, valid to ${new Date(validToMs).toISOString().slice(0, 10)}`;
  return `${protocol}${by}${until}`;
}

function pingFinding(host: string, answer: Awaited<ReturnType<ProbeTools['ask']>>): Finding {
  const { status, authenticate } = answer;
  if (status === 200) return { seen: 'a registry, open to everybody' };
  if (status === 401 && authenticate !== null) {
    return { seen: `a registry, which asks for ${authenticate.split(' ', 1)[0]} authentication` };
  }
  const fix = `this is no registry, or something stands before it: check registries."${host}".url with curl`;
  return { outcome: 'failed', seen: `/v2/ answered ${status}`, fix };
}

function accountSteps(account: UpstreamAccount, { repository, reference, call }: ProbeOptions): Step[] {
  const { client, name, serves } = account;
  return [
    {
      step: 'token',
      account: name,
      async look() {
        if (!client.ping) return { outcome: 'skipped', seen: 'its client cannot tell' };
        await client.ping(call);
        return { seen: name === 'anonymous' ? 'anonymous access is granted' : `"${name}" is accepted` };
      },
    },
    {
      step: 'scope',
      account: name,
      async look() {
        if (repository === undefined || reference === undefined) {
          return { outcome: 'skipped', seen: 'no repository was named' };
        }
        if (serves && !serves(repository)) return { outcome: 'skipped', seen: `it is not for ${repository}` };
        const { value } = await client.resolveManifest(repository, reference, call);
        return { seen: `${repository}:${reference} is ${value.digest}` };
      },
    },
    { step: 'quota', account: name, look: async () => quotaFinding(client.state().rateLimit) },
  ];
}

function quotaFinding(limit: ReturnType<UpstreamAccount['client']['state']>['rateLimit']): Finding {
  if (limit?.remaining === undefined) return { outcome: 'skipped', seen: 'the registry told of no limit' };
  const window = limit.windowSeconds === undefined ? '' : ` in ${limit.windowSeconds / 3600} h`;
  const seen = `${limit.remaining} of ${limit.limit ?? '?'}${window} left`;
  if (limit.remaining > 0) return { seen };
  return { outcome: 'failed', seen, fix: 'wait for the window to end, or add an account with a higher limit' };
}
