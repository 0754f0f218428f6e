import { expect, test } from 'bun:test';
import { tempFolder } from '../harness/temp.ts';
import { killCampaign } from './campaign.ts';

// A few rounds in every run of the tests, a hundred where all is required.
const usualRounds = process.env.ENTREPOT_REQUIRE_ALL === '1' ? 100 : 4;
const rounds = Number(process.env.ENTREPOT_KILL_ROUNDS ?? usualRounds);
const seed = Number(process.env.ENTREPOT_SEED ?? Date.now() % 100_000);
// A round writes for at most a second, starts, and reads everything; on a busy machine that takes several.
const roundTimeoutMs = 10_000;

test(
  `kill -9 at random under six writers and gc, ${rounds} rounds, ENTREPOT_SEED=${seed}`,
  async () => {
    const temp = tempFolder('kill');
    const say = (line: string) => void process.stderr.write(`${line}\n`);
    try {
      const result = await killCampaign({ folder: temp.path, rounds, seed, say });
      say(`kill -9: ${JSON.stringify(result)}`);
      expect(result.rounds).toBe(rounds);
      expect(result.steps).toBeGreaterThan(rounds);
      expect(result.gcRuns).toBeGreaterThan(0);
    } finally {
      temp.dispose();
    }
  },
  30_000 + rounds * roundTimeoutMs,
);
