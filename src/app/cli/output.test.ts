import { expect, test } from 'bun:test';
import { writeAnswer } from './output.ts';

test('a zero that was computed is 0 in YAML too', () => {
  const written: string[] = [];
  const screen = { isTerminal: false, columns: () => 80, write: (text: string) => void written.push(text) };
  writeAnswer(screen, 'yaml', { kind: 'Time', items: [{ durationMs: performance.now() * 0 }], text: () => '' });
  expect(written.join('')).toContain('durationMs: 0\n');
});
