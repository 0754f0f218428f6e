import { join } from 'node:path';
import { run } from '../harness/process.ts';
import { acceptAll, listTags, readManifest, verifyClosure } from '../harness/read.ts';
import { entrepotProgram, freePort, prepareEntrepot, type Server, startEntrepot } from '../harness/servers.ts';
import { createModel, type Model } from './model.ts';
import { type Random, seededRandom } from './random.ts';
import { createWriter, type Step } from './writer.ts';

export type CampaignOptions = {
  readonly folder: string;
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
};
export type CampaignResult = {
  readonly rounds: number;
  /** Steps that were answered. */
  readonly steps: number;
  readonly gcRuns: number;
  /** Kills while it was still starting. */
  readonly earlyKills: number;
};

const writerCount = 6;
// Two writers to a repository: they meet in its links, never in a tag.
const repositories = ['team/a', 'team/b', 'other/c'];
const roundMinMs = 150;
const roundMaxMs = 1000;
// gc waits two seconds for readers before it removes files: some rounds see that too.
const longRoundMs = 2500;
const longRoundOneIn = 8;
// A start takes some tens of milliseconds: these kills fall into it.
const earlyKillMaxMs = 120;
// Long enough for the slowest push that is under way, short enough that gc has work in every round.
const gcGrace = '1s';

/** Rounds of: write with six writers and gc, SIGKILL at a random moment, start again, look at everything. */
export async function killCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const model = createModel();
  const random = seededRandom(options.seed);
  const place = { folder: options.folder, port: freePort(), gcGrace };
  const counts = { rounds: 0, steps: 0, gcRuns: 0, earlyKills: 0 };
  let server = await startEntrepot(place);
  try {
    const writers = makeWriters(options.seed, model, `http://127.0.0.1:${place.port}`);
    for (; counts.rounds < options.rounds; counts.rounds++) {
      const work = startWork(writers, server.config, counts);
      await Bun.sleep(roundLengthMs(random));
      work.stop();
      await server.kill();
      await work.done;
      if (random.below(4) === 0) counts.earlyKills += await killDuringStart(options.folder, place, random);
      server = await startEntrepot(place);
      await checkAll(server, model);
      if (counts.rounds % 10 === 9) options.say(`kill -9: ${counts.rounds + 1} rounds, ${counts.steps} steps`);
    }
    await scrub(server);
    return counts;
  } finally {
    await server.stop();
  }
}

function roundLengthMs(random: Random): number {
  const long = random.below(longRoundOneIn) === 0 ? longRoundMs : 0;
  return long + roundMinMs + random.below(roundMaxMs - roundMinMs);
}

type Writer = { readonly step: Step };

function makeWriters(seed: number, model: Model, origin: string): Writer[] {
  return Array.from({ length: writerCount }, (_, at) => ({
    step: createWriter({
      name: `w${at}`,
      repository: repositories[at % repositories.length] ?? 'team/a',
      random: seededRandom(seed * 1000 + at),
      model,
      wire: (path, init) => fetch(new URL(path, origin), init),
    }),
  }));
}

/** All writers and gc, until stopped; an error before the stop is a finding. */
function startWork(writers: readonly Writer[], config: string, counts: { steps: number; gcRuns: number }) {
  let stopped = false;
  async function loop(step: Step): Promise<void> {
    while (!stopped) {
      try {
        await step();
        counts.steps++;
      } catch (error) {
        // Killed under the request: what it did is open, the model knows.
        if (!stopped) throw error;
      }
    }
  }
  const gc = async () => {
    await run([entrepotProgram(), 'gc', 'run', '--config', config]);
    counts.gcRuns++;
  };
  const done = Promise.all([...writers.map(({ step }) => loop(step)), loop(gc)]);
  return {
    stop: () => {
      stopped = true;
    },
    done,
  };
}

async function killDuringStart(
  folder: string,
  place: { port: number; gcGrace: string },
  random: Random,
): Promise<number> {
  const { command } = prepareEntrepot({ folder, ...place });
  const child = Bun.spawn(command, { cwd: folder, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' });
  await Bun.sleep(random.below(earlyKillMaxMs));
  child.kill('SIGKILL');
  await child.exited;
  return 1;
}

/** Every promise holds; and whatever is listed resolves, to the last byte. */
async function checkAll(server: Server, model: Model): Promise<void> {
  for (const tag of model.tags()) {
    const [repository = '', name = ''] = tag.split(':');
    model.observe(tag, await digestOf(server.host, repository, name));
  }
  for (const repository of repositories) {
    for (const name of await listTags(server.host, repository)) {
      const tag = `${repository}:${name}`;
      const digest = await verifyClosure(server.host, repository, name);
      if (model.settled(tag) !== digest) throw new Error(`${tag} is listed as ${digest}; nobody was promised that`);
    }
  }
}

async function digestOf(host: string, repository: string, tag: string): Promise<string | undefined> {
  const url = `http://${host}/v2/${repository}/manifests/${tag}`;
  const head = await fetch(url, { method: 'HEAD', headers: { accept: acceptAll } });
  if (head.status === 404) return undefined;
  return (await readManifest(host, repository, tag)).digest;
}

async function scrub(server: Server): Promise<void> {
  await run([entrepotProgram(), 'scrub', '--config', join(server.folder, 'entrepot.yaml')]);
}
