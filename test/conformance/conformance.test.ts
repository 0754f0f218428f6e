import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Member, memory, unified } from '#core/registry';
import { testWith } from '../harness/need.ts';
import { startEntrepot } from '../harness/servers.ts';
import { serveRegistry } from './registry-server.ts';
import { type ConformanceResult, readReport, runConformance } from './run.ts';

/** Far above the some seconds that a run takes on two slow cores. */
const TIMEOUT_MS = 200_000;
/** The suite has 793 cases at this level; fewer would mean that it ran at another, or not to its end. */
const LEAST_CASES = 780;

function expectClean(result: ConformanceResult): void {
  process.stdout.write(`${result.table}\n`);
  expect(result.failures).toEqual([]);
  expect(result.failed + result.skipped).toBe(0);
  expect(result.passed).toBeGreaterThan(LEAST_CASES);
}

describe('OCI conformance at the dev level', () => {
  testWith(['conformance'], 'of the registry in memory', {
    timeoutMs: TIMEOUT_MS,
    async body(program) {
      const server = serveRegistry();
      try {
        expectClean(await runConformance({ program: program('conformance'), host: server.host }));
      } finally {
        await server.stop({ graceMs: 0 });
      }
    },
  });

  testWith(['conformance'], 'of entrepot serve over its store', {
    timeoutMs: TIMEOUT_MS,
    async body(program) {
      const folder = mkdtempSync(join(tmpdir(), 'entrepot-conformance-'));
      try {
        const server = await startEntrepot({ folder });
        try {
          expectClean(await runConformance({ program: program('conformance'), host: server.host }));
        } finally {
          await server.stop();
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
});

const VIRTUAL = `namespaces:
  team: { type: hosted }
  other: { type: hosted }
  all: { type: virtual, members: [other, team], push: team }
`;

describe('OCI conformance at the dev level of a virtual namespace with a push target', () => {
  testWith(['conformance'], 'over registries in memory', {
    timeoutMs: TIMEOUT_MS,
    async body(program) {
      const member = (namespace: string): Member => ({
        namespace,
        registry: memory(),
        allow: [],
        deny: [],
        whenDown: 'fail',
      });
      const registry = unified({ namespace: 'all', members: [member('other'), member('team')], push: 'team' });
      const server = serveRegistry(registry);
      try {
        expectClean(await runConformance({ program: program('conformance'), host: server.host, namespace: 'all' }));
      } finally {
        await server.stop({ graceMs: 0 });
      }
    },
  });

  testWith(['conformance'], 'of entrepot serve', {
    timeoutMs: TIMEOUT_MS,
    async body(program) {
      const folder = mkdtempSync(join(tmpdir(), 'entrepot-conformance-'));
      try {
        const server = await startEntrepot({ folder, config: VIRTUAL });
        try {
          expectClean(await runConformance({ program: program('conformance'), host: server.host, namespace: 'all' }));
        } finally {
          await server.stop();
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
});

test('a report with failures, skips and disabled cases is told as such', () => {
  const one = (name: string, status: string, said = '') =>
    `<testcase name="${name}" time="0.1" status="${status}"><system-out>${said}</system-out></testcase>`;
  const cases = [one('ping', 'passed'), one('blob', 'failure', 'got 500'), one('x', 'skipped'), one('y', 'error')];
  expect(readReport(`<testsuites><testsuite>${cases.join('')}</testsuite></testsuites>`)).toEqual({
    passed: 1,
    failed: 2,
    skipped: 1,
    failures: ['failure: blob: got 500', 'skipped: x: ', 'error: y: '],
  });
});
