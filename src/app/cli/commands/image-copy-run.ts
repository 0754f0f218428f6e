import { isDigest, parsePlatform, RegistryError } from '#core/oci';
import { type Config, namespaceOf } from '#surface/config';
import { copyImage } from '../../commands/copy.ts';
import { formatPlace, type Place, parsePlace } from '../../commands/place.ts';
import { openSession } from '../../commands/session.ts';
import { machineOf } from '../context.ts';
import { ExitCode } from '../exit.ts';
import { type CommandRun, listOption } from '../spec.ts';
import { formatBytes } from '../table.ts';

export const copy: CommandRun = async (context, typed) => {
  const config = await context.config();
  const [from = '', to = ''] = typed.words;
  const source = parsePlace(from, config);
  const destination = parsePlace(to, config);
  requireTagDestination(destination);
  requireWritable(destination, config);
  const platforms = listOption(typed, 'platform').map(parsePlatform);
  const copied = await context.withProgress(async (running) => {
    const session = await openSession(config, machineOf(context.io), running.signal);
    try {
      return await copyImage(session, { source, destination, platforms }, { ...running, now: context.io.clock.now });
    } finally {
      await session.close();
    }
  });
  context.answer({ kind: 'CopiedImage', items: [copied], text: () => copiedText(copied) });
  return ExitCode.ok;
};

function requireTagDestination(place: Place): void {
  if (place.reference === undefined || !isDigest(place.reference)) return;
  throw new RegistryError('REQUEST_INVALID', `${formatPlace(place)} is a digest, and a copy goes to a tag`, {
    why: 'the digest at the destination is that of the source',
    hint: 'leave it out, or write a tag',
  });
}

/** Before anything is read: the destination's own words come late, and speak of a push. */
function requireWritable(place: Place, { namespaces }: Config): void {
  const name = place.kind === 'local' ? namespaceOf(namespaces, place.repository) : undefined;
  const entry = name === undefined ? undefined : namespaces?.[name];
  const isReadOnly = entry?.type === 'proxy' || (entry?.type === 'virtual' && entry.push === undefined);
  if (!isReadOnly) return;
  const hosted = Object.entries(namespaces ?? {}).flatMap(([key, { type }]) => (type === 'hosted' ? [key] : []));
  throw new RegistryError('REQUEST_INVALID', `nothing can be copied to ${formatPlace(place)}`, {
    why:
      entry.type === 'proxy'
        ? `${name} is a proxy namespace: only what is pulled is kept there`
        : `${name} is a virtual namespace without push`,
    hint: hosted.length === 0 ? 'add a hosted namespace' : `copy it to a hosted namespace: ${hosted.join(', ')}`,
  });
}

function copiedText(copied: { source: string; destination: string; digest: string; bytes: number }): string {
  const moved = copied.bytes === 0 ? 'nothing had to be uploaded' : `${formatBytes(copied.bytes)} uploaded`;
  return `Copied ${copied.source} to ${copied.destination}: ${copied.digest}, ${moved}.\n`;
}
