import { expect, test } from 'bun:test';
import { AppError, messageOf, systemCodeOf } from './error.ts';

test('an AppError says what, why and what to do', () => {
  const cause = new Error('ENOENT');
  const error = new AppError('CONFIG_MISSING', 'there is no config', { why: 'no such file', hint: 'run init', cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    code: 'CONFIG_MISSING',
    message: 'there is no config',
    why: 'no such file',
    hint: 'run init',
    cause,
  });
  expect('cause' in new AppError('X', 'x')).toBe(false);
});

test('anything thrown has a message, and perhaps the word of the operating system', () => {
  expect([messageOf(new Error('a')), messageOf('b'), messageOf(undefined)]).toEqual(['a', 'b', 'undefined']);
  const failed = Object.assign(new Error('x'), { code: 'ENOSPC' });
  expect([systemCodeOf(failed), systemCodeOf({ code: 5 }), systemCodeOf(null), systemCodeOf('ENOSPC')]).toEqual([
    'ENOSPC',
    undefined,
    undefined,
    undefined,
  ]);
});
