import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../harness/process.ts';
import { entrepotProgram, type Server } from '../harness/servers.ts';

/** Writes the files that `entrepot snippet CLIENT` prints for a server, below `folder` instead of `/`. */
export async function writeSnippet(server: Server, client: 'containerd' | 'podman', folder: string): Promise<void> {
  const said = await run([entrepotProgram(), 'snippet', client, '--config', server.config, '-o', 'json']);
  const { items } = JSON.parse(said.stdout) as { items: { files: { path: string; text: string }[] }[] };
  for (const { path, text } of items.flatMap(({ files }) => files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
