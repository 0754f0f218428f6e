import { describe, expect, test } from 'bun:test';
import { unlessAborted } from './abort.ts';

describe('waiting for what is made for several', () => {
  test('its end is passed on, also without a signal', async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
    expect(await unlessAborted(Promise.resolve(2), undefined)).toBe(2);
    await expect(unlessAborted(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
  });

  test('who gives up leaves, and the others wait on', async () => {
    const task = Promise.withResolvers<string>();
    const one = new AbortController();
    const left = unlessAborted(task.promise, one.signal);
    const stayed = unlessAborted(task.promise, new AbortController().signal);
    one.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    task.resolve('done');
    expect(await stayed).toBe('done');
  });

  test('who had given up before leaves at once, and a later failure is nobody’s surprise', async () => {
    const task = Promise.withResolvers<string>();
    await expect(unlessAborted(task.promise, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    task.reject(new Error('later'));
    await Bun.sleep(0);
  });
});
