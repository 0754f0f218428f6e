import { describe, expect, test } from 'bun:test';
import type { WriteFile } from './fs.ts';
import { createWriteWindow } from './write-window.ts';

const CHUNK_BYTES = 64 * 1024;

/** A file in memory that notes how it was written; its n-th write fails where that is asked for. */
function createFile({ failsAt = Number.POSITIVE_INFINITY } = {}) {
  const content: number[] = [];
  const facts = { writes: 0, atOnce: 0, mostAtOnce: 0 };
  const file: WriteFile = {
    async write(parts, position) {
      facts.writes += 1;
      facts.atOnce += 1;
      facts.mostAtOnce = Math.max(facts.mostAtOnce, facts.atOnce);
      const { writes } = facts;
      await Bun.sleep(0);
      facts.atOnce -= 1;
      if (writes >= failsAt) throw new Error(`write ${writes} failed`);
      expect(position).toBe(content.length * CHUNK_BYTES);
      content.push(...parts.map((part) => part[0] ?? -1));
    },
    truncate: async () => {},
    datasync: async () => {},
    close: async () => {},
  };
  return { file, content, facts };
}

const chunk = (value: number) => new Uint8Array(CHUNK_BYTES).fill(value);

describe('a window of writes', () => {
  test('writes everything in order, gathered, one write at a time, and gives memory back', async () => {
    const { file, content, facts } = createFile();
    const window = createWriteWindow(file, { start: 0, freesChunks: true });
    const chunks = Array.from({ length: 100 }, (_, index) => chunk(index));
    for (const each of chunks) await window.add(each);
    await window.drain();
    expect(content).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(window.settled).toBe(100 * CHUNK_BYTES);
    expect(facts.mostAtOnce).toBe(1);
    expect(facts.writes).toBeLessThan(20);
    expect(chunks.every(({ byteLength }) => byteLength === 0)).toBe(true);
  });

  test('a failed write is told, nothing follows it, and what came before it stands', async () => {
    const { file, content, facts } = createFile({ failsAt: 2 });
    const window = createWriteWindow(file, { start: 0, freesChunks: false });
    const addAll = async () => {
      for (let index = 0; index < 100; index++) await window.add(chunk(index));
    };
    await expect(addAll()).rejects.toThrow('write 2 failed');
    await expect(window.drain()).rejects.toThrow('write 2 failed');
    expect(facts.writes).toBe(2);
    expect(window.settled).toBe(content.length * CHUNK_BYTES);
  });
});
