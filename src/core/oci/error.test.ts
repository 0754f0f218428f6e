import { describe, expect, test } from 'bun:test';
import {
  codeFromWire,
  isRegistryError,
  parseWireErrors,
  RegistryError,
  STATUS_OF_CODE,
  toWireErrors,
} from './error.ts';

describe('wire errors', () => {
  test('every code has a status that says whose fault it is', () => {
    for (const [code, status] of Object.entries(STATUS_OF_CODE)) {
      expect([code, status >= 400 && status < 600]).toEqual([code, true]);
      expect(new RegistryError(code as keyof typeof STATUS_OF_CODE, 'x').status).toBe(status);
    }
  });

  test('what is written is read back, with cause and remedy in the message', () => {
    const error = new RegistryError('DENIED', 'no', { why: 'a rule', hint: 'ask', detail: { rule: 'r' } });
    expect(parseWireErrors(JSON.stringify(toWireErrors(error)))).toEqual([
      { code: 'DENIED', message: 'no; a rule; ask', detail: { rule: 'r' } },
    ]);
  });

  const bodies = [
    { name: 'no JSON', text: '<html>', found: [] },
    { name: 'another form', text: '{"error":"x"}', found: [] },
    { name: 'errors that are no list', text: '{"errors":"x"}', found: [] },
    { name: 'entries that are none', text: '{"errors":[null,1,{},{"code":"X"}]}', found: [{ code: 'X' }] },
    { name: 'a code that is a number', text: '{"errors":[{"code":5,"message":6}]}', found: [{ code: '5' }] },
    { name: 'a depth', text: '['.repeat(100_000), found: [] },
  ];
  for (const { name, text, found } of bodies) test(name, () => expect(parseWireErrors(text)).toEqual(found));

  test('a stranger’s list is bounded', () => {
    const errors = Array.from({ length: 1000 }, () => ({ code: 'C'.repeat(1000), message: 'm'.repeat(10_000) }));
    const found = parseWireErrors(JSON.stringify({ errors }));
    expect(found.length).toBe(10);
    expect(JSON.stringify(found).length).toBeLessThan(12_000);
  });
});

describe('codeFromWire', () => {
  const cases = [
    { word: 'MANIFEST_UNKNOWN', status: 404, code: 'MANIFEST_UNKNOWN' },
    { word: 'toString', status: 404, code: 'BLOB_UNKNOWN' },
    { word: 'WHATEVER', status: 404, code: 'BLOB_UNKNOWN' },
    { word: undefined, status: 401, code: 'UNAUTHORIZED' },
    { word: undefined, status: 403, code: 'DENIED' },
    { word: undefined, status: 405, code: 'UNSUPPORTED' },
    { word: undefined, status: 416, code: 'RANGE_INVALID' },
    { word: undefined, status: 429, code: 'TOOMANYREQUESTS' },
    { word: undefined, status: 500, code: 'UPSTREAM_UNAVAILABLE' },
  ];
  for (const { word, status, code } of cases) {
    test(`${word ?? 'no word'} with ${status} is ${code}`, () => {
      expect(codeFromWire(word, status, 'BLOB_UNKNOWN') as string).toBe(code);
    });
  }
});

test('isRegistryError tells by code', () => {
  const error = new RegistryError('DENIED', 'no');
  expect([isRegistryError(error), isRegistryError(error, 'DENIED'), isRegistryError(error, 'UNAUTHORIZED')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(isRegistryError(new Error('x'))).toBe(false);
});
