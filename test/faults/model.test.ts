import { expect, test } from 'bun:test';
import { createModel } from './model.ts';

test('an acknowledged tag may not be lost, and not be what it was before', () => {
  const model = createModel();
  for (const digest of ['a', 'b']) {
    model.begin('repo:v1', digest);
    model.end('repo:v1', digest, true);
  }
  expect(() => model.observe('repo:v1', undefined)).toThrow('repo:v1 is gone; acknowledged: b');
  expect(() => model.observe('repo:v1', 'a')).toThrow('repo:v1 is a; acknowledged: b');
  model.observe('repo:v1', 'b');
});

test('a request without an answer may have happened or not, until somebody looks', () => {
  const model = createModel();
  model.begin('repo:v1', 'a');
  expect([...model.allowed('repo:v1')]).toEqual([undefined, 'a']);
  model.observe('repo:v1', 'a');
  expect(() => model.observe('repo:v1', undefined)).toThrow('is gone');
});

test('a refused request changed nothing', () => {
  const model = createModel();
  model.begin('repo:v1', 'a');
  model.end('repo:v1', 'a', false);
  expect(() => model.observe('repo:v1', 'a')).toThrow('acknowledged: no tag');
});
