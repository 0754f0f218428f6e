import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registryContract } from '#core/registry/contract';
import { openLayoutFolder } from './layout.ts';

registryContract(
  'an OCI layout folder',
  async () => {
    const path = await mkdtemp(join(tmpdir(), 'layout-'));
    const registry = await openLayoutFolder({ path });
    return {
      registry,
      dispose: async () => {
        await registry.close();
        await rm(path, { recursive: true });
      },
    };
  },
  {
    without: {
      isolation: 'a layout has one repository: every name means it',
      catalog: 'the same',
      'mount-anonymous': 'the same: what is there is in the repository asked for',
    },
  },
);
