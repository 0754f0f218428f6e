/** A command of a guide with what it prints; `…` stands for any text within a line. */
export type Step = { readonly command: string; readonly output: string };

/** The commands of a document's ```console blocks, in order. */
export function stepsOf(markdown: string): Step[] {
  const blocks = [...markdown.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const end = step.indexOf('\n');
        return { command: step.slice(0, end), output: step.slice(end + 1) };
      }),
  );
}

/** The first configuration of a document. */
export function configOf(markdown: string): string {
  const [, text] = /```yaml\n(version: 1\n[\s\S]*?)```/.exec(markdown) ?? [];
  if (text === undefined) throw new Error('the document has no configuration');
  return text;
}

/** What was printed, with `…` where the document has it: equal to the document where only that differs. */
export function asDocumented(printed: string, documented: string): string {
  const pattern = documented.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('.*')}$`).test(printed) ? documented : printed;
}
