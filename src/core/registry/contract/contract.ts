import { describe } from 'bun:test';
import { blobContract } from './blob.ts';
import { concurrencyContract } from './concurrency.ts';
import { deleteContract } from './delete.ts';
import { isolationContract } from './isolation.ts';
import { listContract } from './list.ts';
import { manifestContract } from './manifest.ts';
import { mountContract } from './mount.ts';
import { referrerContract } from './referrer.ts';
import { type Check, type ContractOptions, describePart, type MakeFixture } from './suite.ts';
import { uploadContract } from './upload.ts';

const PARTS: readonly (readonly [string, (check: Check) => void])[] = [
  ['manifests', manifestContract],
  ['blobs', blobContract],
  ['uploads', uploadContract],
  ['mounts', mountContract],
  ['lists', listContract],
  ['referrers', referrerContract],
  ['deletes', deleteContract],
  ['isolation', isolationContract],
  ['concurrency', concurrencyContract],
];

/**
 * Asserts everything that `types.ts` promises, over a fresh registry for each test.
 * `options.without` names what the registry at hand does not do, each with its reason.
 */
export function registryContract(name: string, make: MakeFixture, options: ContractOptions = {}): void {
  describe(`${name} is a Registry`, () => {
    for (const [title, part] of PARTS) describePart(title, part, { ...options, make });
  });
}
