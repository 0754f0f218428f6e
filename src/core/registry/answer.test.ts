import { describe, expect, test } from 'bun:test';
import { digestOf } from '#core/oci';
import { digestMismatch, sizeMismatch } from './answer.ts';

describe('content that is not what was announced', () => {
  const cases = [
    { name: 'too little', error: sizeMismatch(3, 2), says: 'the content has 2 bytes, not the 3 that it should have' },
    // Whoever finds too much has stopped reading: how much there is, nobody knows.
    { name: 'too much', error: sizeMismatch(3, 9), says: 'the content has more than the 3 bytes that it should have' },
    {
      name: 'another digest',
      error: digestMismatch(digestOf('a'), digestOf('b')),
      says: `the content is ${digestOf('b')}, not ${digestOf('a')}`,
    },
  ];
  test.each(cases)('$name: what it is, and what to do', ({ error, says }) => {
    expect(error.message).toBe(says);
    expect(error.hint).toContain('try again');
  });
});
