import { type Snippet, snippetFor } from '../../commands/snippet/snippet.ts';
import { ExitCode } from '../exit.ts';
import { type CommandRun, textOption } from '../spec.ts';

export function snippetRun(client: string): CommandRun {
  return async (context, typed) => {
    const snippet = snippetFor(client, await context.config(), textOption(typed, 'namespace'));
    context.answer({ kind: 'Snippet', items: [snippet], text: () => snippetText(snippet) });
    return ExitCode.ok;
  };
}

/** Files under their paths, then the notes: all but the files are comments. */
function snippetText({ files, notes }: Snippet): string {
  const parts = files.map(({ path, text }) => `# ---- ${path}\n${text}`);
  const remarks = notes.map((note) => note.replaceAll(/^/gm, '# ')).join('\n#\n');
  return `${parts.join('\n')}\n${remarks}\n`;
}
