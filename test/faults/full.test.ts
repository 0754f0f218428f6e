import { expect, test } from 'bun:test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, makeImage, makeLayer } from '../harness/image.ts';
import { whyNot } from '../harness/need.ts';
import { run } from '../harness/process.ts';
import { verifyClosure } from '../harness/read.ts';
import { entrepotProgram, type Server, startEntrepot } from '../harness/servers.ts';
import { tempFolder } from '../harness/temp.ts';
import { tryPush } from './try-push.ts';

const diskBytes = 64 * 1024 * 1024;
const layerBytes = 1_000_000;
// More than fit by far, so that many fail in a row.
const attempts = 100;
const timeoutMs = 120_000;
const repository = 'team/app';

const why = whyNot(['mount', 'umount'], true);
const name = 'a full disk: clear errors, reads go on, nothing acknowledged is lost, writes work again after gc';
if (why === undefined) test(name, fullDisk, timeoutMs);
else if (process.env.ENTREPOT_REQUIRE_ALL === '1') {
  test(name, () => {
    throw new Error(`Not run: ${why}`);
  });
} else test.skip(`${name} (skipped: ${why})`, () => undefined);

/** A disk of its own for the store: a small tmpfs. */
async function fullDisk(): Promise<void> {
  const temp = tempFolder('full');
  const disk = join(temp.path, 'disk');
  mkdirSync(disk);
  try {
    await run(['mount', '-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
    try {
      await fillAndRecover(temp.path, disk);
    } finally {
      await run(['umount', disk]);
    }
  } finally {
    temp.dispose();
  }
}

async function fillAndRecover(folder: string, disk: string): Promise<void> {
  const place = { folder: join(folder, 'server'), storagePath: join(disk, 'data'), gcGrace: '0s' };
  let server = await startEntrepot(place);
  try {
    const kept = await fill(folder, server);
    expect(kept.size).toBeGreaterThan(10);
    expect(kept.size).toBeLessThan(attempts);
    await expectAll(server, kept);

    await server.kill();
    server = await startEntrepot({ ...place, port: server.port });
    await expectAll(server, kept);

    await dropHalf(server, kept);
    for (let at = 0; at < 6; at++) {
      const image = await imageOf(folder, `again-${at}`);
      expect(await tryPush(server.host, repository, { image, tag: `again-${at}` })).toEqual({ kind: 'done' });
      kept.set(`again-${at}`, image.digest);
    }
    await expectAll(server, kept);
    await run([entrepotProgram(), 'scrub', '--config', server.config]);
  } finally {
    await server.stop();
  }
}

/** Pushes until long after the disk is full; every refusal must say so. Answers what was acknowledged. */
async function fill(folder: string, server: Server): Promise<Map<string, string>> {
  const kept = new Map<string, string>();
  for (let at = 0; at < attempts; at++) {
    const image = await imageOf(folder, `fill-${at}`);
    const outcome = await tryPush(server.host, repository, { image, tag: `v${at}` });
    if (outcome.kind === 'done') kept.set(`v${at}`, image.digest);
    else expect(outcome).toEqual({ kind: 'refused', status: 507, code: 'INSUFFICIENT_STORAGE' });
  }
  return kept;
}

async function imageOf(folder: string, seed: string): Promise<Image> {
  return makeImage([await makeLayer(join(folder, 'layers'), { seed, contentBytes: layerBytes })], seed);
}

async function expectAll(server: Server, kept: ReadonlyMap<string, string>): Promise<void> {
  for (const [tag, digest] of kept) expect(await verifyClosure(server.host, repository, tag)).toBe(digest);
}

async function dropHalf(server: Server, kept: Map<string, string>): Promise<void> {
  for (const [tag, digest] of [...kept].slice(0, kept.size >> 1)) {
    const url = `http://${server.host}/v2/${repository}/manifests/${digest}`;
    const deleted = await fetch(url, { method: 'DELETE' });
    expect([deleted.status, await deleted.text()]).toEqual([202, '']);
    kept.delete(tag);
  }
  await run([entrepotProgram(), 'gc', 'run', '--config', server.config]);
}
