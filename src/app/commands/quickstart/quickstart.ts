import { join } from 'node:path';
import { memory, readOnly } from '#core/registry';
import { type Config, readConfig, requireConfig } from '#surface/config';
import {
  createDistribution,
  createHealth,
  createHostGuard,
  createServerMetrics,
  createSite,
  createStaticAccess,
  startServer,
} from '#surface/server';
import { systemCall } from '../../compose.ts';
import type { Machine } from '../../machine.ts';
import { openSampleSigner } from './signer.ts';
import { fillSampleVendor } from './vendor.ts';

/** A name for the vendor that stays the same while its port changes: records of mirrors are kept under it. */
const VENDOR_HOST = 'sample-vendor.test';
export const SAMPLE_MIRROR = 'sample';
const SAMPLE_NAMESPACE = 'team';

export type SampleVendor = {
  readonly url: string;
  /** For `cosign verify --key`. */
  readonly publicKeyPath: string;
  stop(): Promise<void>;
};

/** Starts the vendor's registry in this process, on a free loopback port. Its key is kept in the data folder. */
export async function startSampleVendor(storagePath: string, machine: Machine): Promise<SampleVendor> {
  const signer = await openSampleSigner(join(storagePath, 'quickstart'));
  const registry = memory({ name: VENDOR_HOST });
  await fillSampleVendor(registry, signer, systemCall('sample-vendor'));
  const { clock, log, version } = machine;
  const metrics = createServerMetrics();
  const distribution = createDistribution({
    registry: readOnly(registry),
    access: createStaticAccess({ anonymous: 'loopback-default' }),
    log,
    accessLog: () => {},
    metrics,
    clock,
    timer: () => performance.now(),
    random: Math.random,
  });
  const health = createHealth({ readiness: () => ({ ready: true }), metrics, version });
  const server = startServer({
    listen: { hostname: '127.0.0.1', port: 0 },
    fetch: createSite({ distribution, health, hostGuard: createHostGuard() }),
    clock,
    log,
  });
  return {
    url: server.url,
    publicKeyPath: signer.publicKeyPath,
    stop: async () => {
      await server.stop({ graceMs: 0 });
    },
  };
}

/** What is served without a configuration: one namespace, and a mirror of the sample vendor into it. */
export function quickstartConfig(defaults: Config, vendorUrl: string): Config {
  const text = `version: 1
namespaces: { ${SAMPLE_NAMESPACE}: { type: hosted } }
registries: { ${VENDOR_HOST}: { url: "${vendorUrl}", insecure: true } }
mirrors:
  ${SAMPLE_MIRROR}:
    source: ${VENDOR_HOST}/vendor
    repositories: [hello]
    destinations: [${SAMPLE_NAMESPACE}]
log: { format: text }
`;
  const config = requireConfig(readConfig({ text, file: 'quickstart', folder: '/' }));
  return { ...config, server: defaults.server, storage: defaults.storage };
}
