import { VERSION } from '../../version.ts';
import { ExitCode } from '../exit.ts';
import type { CommandRun } from '../spec.ts';

export const version: CommandRun = async (context) => {
  const items = [{ version: VERSION, bun: Bun.version, platform: `${process.platform}/${process.arch}` }];
  context.answer({ kind: 'Version', items, text: () => `entrepot ${VERSION}\n` });
  return ExitCode.ok;
};
