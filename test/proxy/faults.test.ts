import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type Cell, type FaultStage, startFaultStage } from './fault-stage.ts';
import { getManifest, pull, type Seen } from './pull.ts';
import { rows } from './upstream-faults.ts';

// Two servers, and rows that hang until we give up.
const setupMs = 60_000;
// Clients wait for half a minute or so: an answer must come before.
const answerMs = 30_000;

let stage: FaultStage;
const answers = new Map<string, Promise<Seen>>();
/** Namespaces as they were answered. */
const order: string[] = [];

beforeAll(async () => {
  stage = await startFaultStage(rows);
  // All at once: those that hang do so side by side.
  for (const { namespace } of stage.cells) {
    const answer = getManifest(stage.ours.host, `${namespace}/library/app:1.0`, {
      signal: AbortSignal.timeout(answerMs),
    });
    // Whoever awaits it tells of a failure.
    answer.then(
      () => order.push(namespace),
      () => order.push(namespace),
    );
    answers.set(namespace, answer);
  }
}, setupMs);
afterAll(() => stage?.stop(), setupMs);

async function answerOf(name: string, hasCopy: boolean): Promise<{ cell: Cell; answer: Seen }> {
  const cell = stage.cells.find((each) => each.row.name === name && each.hasCopy === hasCopy);
  const answer = cell && (await answers.get(cell.namespace));
  if (!answer) throw new Error(`no answer for ${name}`);
  return { cell, answer };
}

describe('without a copy, a client sees', () => {
  for (const row of rows) {
    test(
      `${row.status} ${row.code} of ${row.name}`,
      async () => {
        const { cell, answer } = await answerOf(row.name, false);
        expect([answer.status, answer.code]).toEqual([row.status, row.code]);
        expect(answer.message).toMatch(row.says);
        const retryAfter = answer.headers.get('retry-after');
        if (row.retryAfter) {
          const [least, most] = row.retryAfter;
          expect(Number(retryAfter)).toBeWithin(least, most + 1);
        }
        if (row.status === 404) return;
        // Nothing of it is kept: when all is well again, it is pulled.
        expect(JSON.stringify(answer.headers)).not.toContain('www-authenticate');
        expect(cell.proxy.exchanges().length).toBeLessThan(12);
      },
      answerMs + 5000,
    );
  }
});

test(
  'with a copy, nobody waits for a hanging upstream as long as without one',
  async () => {
    for (const { name } of rows.filter(({ code }) => code === 'UPSTREAM_TIMEOUT')) {
      const [copy, cold] = [await answerOf(name, true), await answerOf(name, false)];
      expect(order.indexOf(copy.cell.namespace)).toBeLessThan(order.indexOf(cold.cell.namespace));
    }
  },
  answerMs + 5000,
);

describe('with a copy, it is served whatever the upstream does:', () => {
  for (const row of rows.filter((each) => !each.neverWorked && !each.rightByDigest)) {
    test(
      row.name,
      async () => {
        const { cell, answer } = await answerOf(row.name, true);
        const name = `${cell.namespace}/library/app:1.0`;
        expect([answer.status, answer.digest]).toEqual([200, stage.before.digest]);
        expect(answer.headers.get('x-entrepot-cache')).toBe('stale-if-error');
        expect(answer.headers.get('warning')).toMatch(/^110 /);
        expect(Number(answer.headers.get('age'))).toBeWithin(0, 120);
        expect(answer.headers.get('docker-content-digest')).toBe(stage.before.digest);
        const head = await getManifest(stage.ours.host, name, { method: 'HEAD' });
        expect([head.status, head.headers.get('docker-content-digest')]).toEqual([200, stage.before.digest]);
        // Its blobs too, and by digest nobody is asked.
        const asked = cell.proxy.exchanges().length;
        await pull(stage.ours.host, `${cell.namespace}/library/app@${stage.before.digest}`);
        expect(cell.proxy.exchanges()).toHaveLength(asked);
      },
      2 * answerMs + 5000,
    );
  }
});

for (const row of rows.filter((each) => each.rightByDigest)) {
  test(
    `with a copy, the bytes count and not ${row.name}`,
    async () => {
      const { answer } = await answerOf(row.name, true);
      expect([answer.status, answer.digest]).toEqual([200, stage.now.digest]);
      expect(answer.headers.get('x-entrepot-cache')).toBe('refreshed');
    },
    answerMs + 5000,
  );
}
