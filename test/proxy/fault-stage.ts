import { join } from 'node:path';
import { type FaultProxy, startFaultProxy } from '../harness/fault-proxy.ts';
import type { Image } from '../harness/image.ts';
import { pushImage } from '../harness/push.ts';
import { type Server, startEntrepot } from '../harness/servers.ts';
import { smallImage } from '../harness/target.ts';
import { tempFolder } from '../harness/temp.ts';
import { pull } from './pull.ts';
import type { Row } from './upstream-faults.ts';

/** A row with or without a copy here: an upstream of its own, so that no other's breaker or limit is in its way. */
export type Cell = {
  readonly row: Row;
  readonly hasCopy: boolean;
  readonly namespace: string;
  readonly proxy: FaultProxy;
};

export type FaultStage = {
  readonly ours: Server;
  readonly cells: readonly Cell[];
  /** What was pulled while all was well, and what the tag is upstream since. */
  readonly before: Image;
  readonly now: Image;
  readonly stop: () => Promise<void>;
};

const repository = 'library/app';

/** `entrepot serve` with a namespace for each cell; where there is to be a copy there is one, older than freshFor. */
export async function startFaultStage(rows: readonly Row[]): Promise<FaultStage> {
  const temp = tempFolder('proxy-faults');
  const upstream = await startEntrepot({ folder: join(temp.path, 'upstream') });
  const [before, now] = [await smallImage('before'), await smallImage('now')];
  await pushImage(upstream.host, repository, { image: before, tags: ['1.0'] });
  const cells = rows.flatMap((row, at) =>
    (row.neverWorked ? [false] : [true, false]).map((hasCopy) => ({
      row,
      hasCopy,
      namespace: `row${at}-${hasCopy ? 'copy' : 'cold'}`,
      proxy: startFaultProxy({ port: upstream.port, ...row.link?.() }),
    })),
  );
  const ours = await startEntrepot({ folder: join(temp.path, 'ours'), config: configOf(cells) });
  const stop = async () => {
    await ours.stop();
    for (const { proxy } of cells) proxy.stop();
    await upstream.stop();
    temp.dispose();
  };
  const warm = cells.filter(({ hasCopy }) => hasCopy);
  for (const { namespace } of warm) await pull(ours.host, `${namespace}/${repository}:1.0`);
  await pushImage(upstream.host, repository, { image: now, tags: ['1.0'] });
  for (const { proxy, row } of cells) {
    proxy.reset();
    proxy.setRule(row.rule?.(() => proxy.host));
    if (row.down) proxy.down();
  }
  return { ours, cells, before, now, stop };
}

function configOf(cells: readonly Cell[]): string {
  const registries = cells.map(
    ({ row, proxy }) => `  "${row.upstream ?? proxy.host}": ${row.registry ?? '{ insecure: true }'}`,
  );
  const namespaces = cells.map(
    ({ row, namespace, proxy }) =>
      // Nothing is fresh: every pull asks.
      `  ${namespace}: { type: proxy, upstream: "${row.upstream ?? proxy.host}", freshFor: 0s, negativeFor: 0s }`,
  );
  return ['registries:', ...new Set(registries), 'namespaces:', ...namespaces].join('\n');
}
