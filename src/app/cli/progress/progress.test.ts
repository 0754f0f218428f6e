import { expect, test } from 'bun:test';
import { manualClock } from '#core/std';
import type { ProgressEvent } from '#surface/server/api';
import { testIo } from '../testing.ts';
import { createDisplay } from './display.ts';

const image = 'quay.io/vendor/nginx:1.27';
const run: ProgressEvent[] = [
  { kind: 'run-started', title: 'mirror base-images' },
  { kind: 'run-planned', images: 3 },
  { kind: 'image-started', image },
  { kind: 'image-planned', image, totalBytes: 200_000_000 },
  { kind: 'image-progress', image, doneBytes: 50_000_000 },
  { kind: 'image-progress', image, doneBytes: 150_000_000 },
  { kind: 'image-done', image, outcome: 'copied', bytes: 200_000_000, durationMs: 12_300 },
  { kind: 'image-started', image: 'b' },
  { kind: 'image-done', image: 'b', outcome: 'unchanged', bytes: 0, durationMs: 1 },
  { kind: 'image-started', image: 'c' },
  { kind: 'warning', message: 'slow' },
  {
    kind: 'image-done',
    image: 'c',
    outcome: 'failed',
    bytes: 0,
    durationMs: 1,
    error: { code: 'X', what: 'it broke' },
  },
];

function shown(choice: 'plain' | 'json' | 'none' | 'tty') {
  const clock = manualClock();
  const { io, stderr, stdout } = testIo({ clock });
  const display = createDisplay({ io, choice, color: false });
  for (const event of run) {
    clock.advance(3_000);
    display.event(event);
  }
  display.close();
  expect(stdout()).toBe('');
  return stderr();
}

test('plain: a line at the end of each image, one in five seconds between, none for what is unchanged', () => {
  expect(shown('plain').split('\n')).toEqual([
    '00:00:03 mirror base-images',
    '00:00:06 3 images to look at',
    '00:00:15 [1/3] quay.io/vendor/nginx:1.27  25% 50.0 MB of 200 MB',
    '00:00:21 [1/3] quay.io/vendor/nginx:1.27  copied (200 MB, 12.3 s)',
    '00:00:33 warning: slow',
    '00:00:36 [3/3] c  failed: it broke',
    '',
  ]);
});

test('json: every event with its time', () => {
  const lines = shown('json')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(run.length);
  expect(lines[0]).toEqual({
    apiVersion: 'entrepot/v1',
    time: '2026-01-01T00:00:03.000Z',
    kind: 'run-started',
    title: 'mirror base-images',
  });
});

test('none says nothing', () => expect(shown('none')).toBe(''));

test('terminal: what is finished stays, what moved is erased', () => {
  const text = shown('tty');
  expect(text).toContain('✓ copied  quay.io/vendor/nginx:1.27  200 MB, 12.3 s\n');
  expect(text).toContain('✗ failed  c  it broke\n');
  expect(text.endsWith('\u001b[0J')).toBe(true);
});
