import { expect, test } from 'bun:test';
import { formatCount, plural } from './table.ts';

test.each([
  { name: 'one digit', count: 7, text: '7' },
  { name: 'three digits', count: 999, text: '999' },
  { name: 'four digits', count: 1000, text: '1,000' },
  { name: 'eight digits', count: 12_345_678, text: '12,345,678' },
])('a count of $name', ({ count, text }) => {
  expect(formatCount(count)).toBe(text);
});

test('one thing and many', () => {
  expect([plural(1, 'image'), plural(0, 'image'), plural(2, 'entry', 'entries')]).toEqual([
    '1 image',
    '0 images',
    '2 entries',
  ]);
});
