import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bufferedSink } from './line-sink.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'entrepot-sink-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a log that is written in few pieces', () => {
  test('has every line in order once it was flushed', async () => {
    const file = join(folder, 'log');
    const descriptor = openSync(file, 'w');
    const sink = bufferedSink(descriptor);
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} with some length\n`);
    for (const line of lines) sink.write(line);
    await sink.flush();
    closeSync(descriptor);
    expect(readFileSync(file, 'utf8')).toBe(lines.join(''));
  });

  test('loses lines that cannot be written, and stops nobody', async () => {
    const file = join(folder, 'log');
    writeFileSync(file, '');
    // A descriptor that refuses every write, as a full disk does.
    const descriptor = openSync(file, 'r');
    const sink = bufferedSink(descriptor);
    for (let at = 0; at < 5000; at++) sink.write(`line ${at} with some length\n`);
    await sink.flush();
    sink.write('one more\n');
    await expect(sink.flush()).resolves.toBeUndefined();
    closeSync(descriptor);
    expect(readFileSync(file, 'utf8')).toBe('');
  });
});
