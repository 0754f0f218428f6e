import { describe, expect, test } from 'bun:test';
import { oncePerPress } from './interrupt.ts';

describe('Ctrl-C', () => {
  const cases = [
    { name: 'once', signalsAtMs: [0], presses: 1 },
    { name: 'once, and passed on by npm', signalsAtMs: [1000, 1003], presses: 1 },
    { name: 'once, passed on by two', signalsAtMs: [0, 100, 249], presses: 1 },
    { name: 'twice', signalsAtMs: [0, 250], presses: 2 },
    { name: 'twice, each passed on', signalsAtMs: [0, 2, 900, 902], presses: 2 },
  ];
  for (const { name, signalsAtMs, presses } of cases) {
    test(name, () => {
      let nowMs = 0;
      let called = 0;
      const signal = oncePerPress(
        () => {
          called++;
        },
        () => nowMs,
      );
      for (const atMs of signalsAtMs) {
        nowMs = atMs;
        signal();
      }
      expect(called).toBe(presses);
    });
  }
});
