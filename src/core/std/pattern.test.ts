import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AppError } from './error.ts';
import { compareTags, compileGlob, compileRe2, satisfies, semverOf, tagMatcher } from './pattern.ts';

describe('compileGlob', () => {
  const cases = [
    { name: 'plain text is itself', pattern: 'library/redis', yes: ['library/redis'], no: ['library/redis2', 'redis'] },
    { name: 'star stops at a slash', pattern: 'library/*', yes: ['library/redis', 'library/'], no: ['library/a/b'] },
    { name: 'two stars do not', pattern: 'team/**', yes: ['team/a', 'team/a/b/c'], no: ['teams/a', 'team'] },
    { name: 'two stars in the middle', pattern: 'a/**/z', yes: ['a/b/z', 'a/b/c/z'], no: ['a/z'] },
    { name: 'question mark is one character', pattern: 'v?', yes: ['v1'], no: ['v', 'v10', 'v/'] },
    { name: 'dots and brackets are themselves', pattern: 'a.[b]*', yes: ['a.[b]c'], no: ['axb', 'a.b'] },
    { name: 'newlines are characters', pattern: '**', yes: ['', 'a\nb'], no: [] },
    { name: 'everything in one segment', pattern: '*', yes: ['latest', ''], no: ['a/b'] },
  ];
  for (const { name, pattern, yes, no } of cases) {
    test(name, () => {
      const matches = compileGlob(pattern);
      for (const text of yes) expect([text, matches(text)]).toEqual([text, true]);
      for (const text of no) expect([text, matches(text)]).toEqual([text, false]);
    });
  }

  test('text without wildcards matches itself alone', () => {
    const plain = fc.string().filter((text) => !/[*?]/.test(text));
    fc.assert(fc.property(plain, plain, (left, right) => compileGlob(`${left}`)(right) === (left === right)));
  });

  test('a wildcard round any text still finds the text, whatever characters it has', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        const literal = text.replaceAll(/[*?]/g, '');
        return compileGlob(`**${literal}**`)(`before/${literal}/after`);
      }),
      { numRuns: 30 },
    );
  });

  test('a hostile pattern costs linear time', () => {
    const matches = compileGlob(`${'*a'.repeat(60)}b`);
    expect(matches('a'.repeat(20_000))).toBe(false);
  });
});

describe('compileRe2', () => {
  test('the whole text must match', () => {
    const matches = compileRe2('v[0-9]+');
    expect([matches('v12'), matches('v12-rc'), matches('xv12')]).toEqual([true, false, false]);
  });

  for (const pattern of ['(a', '(?=a)', '(a)\\1', 'a{1001}', 'x'.repeat(2000)]) {
    test(`${pattern.slice(0, 12)} is refused with a hint`, () => {
      try {
        compileRe2(pattern);
        expect.unreachable();
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(AppError);
        expect(thrown).toMatchObject({ code: 'PATTERN_INVALID', hint: expect.any(String) });
      }
    });
  }
});

describe('tagMatcher', () => {
  const cases = [
    { name: 'exact', rule: 'latest', yes: ['latest'], no: ['latest2', 'Latest'] },
    { name: 'glob', rule: '*-rc*', yes: ['1.0-rc1'], no: ['1.0'] },
    {
      name: 'semver',
      rule: 'semver',
      yes: ['1.2.3', 'v1.2.3', '1.2.3-rc.1', '1.2.3_4'],
      no: ['1.2', '1', 'latest', 'x1.2.3'],
    },
    {
      name: 'range',
      rule: 'semver:>=1.20 <2',
      yes: ['1.20.0', 'v1.99.1'],
      no: ['1.19.9', '2.0.0', '1.21.0-rc.1', '1.21'],
    },
  ];
  for (const { name, rule, yes, no } of cases) {
    test(name, () => {
      const matches = tagMatcher(rule);
      for (const tag of yes) expect([tag, matches(tag)]).toEqual([tag, true]);
      for (const tag of no) expect([tag, matches(tag)]).toEqual([tag, false]);
    });
  }

  test('a range that is none is refused', () => {
    expect(() => tagMatcher('semver:>=banana')).toThrow('is not a range of versions');
  });
});

describe('versions', () => {
  test('satisfies', () => {
    expect([satisfies('v1.2.3', '^1'), satisfies('2.0.0', '^1'), satisfies('latest', '*')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('a build part is read and orders', () => {
    expect(semverOf('1.2.3_4')?.build).toEqual(['4']);
    expect(compareTags('1.2.3', '1.2.3_1')).toBeLessThan(0);
  });

  test('tags sort by version, then other names', () => {
    const sorted = ['latest', '1.10.0', 'v1.9.0', '1.10.0-rc.1', 'alpine'].sort(compareTags);
    expect(sorted).toEqual(['v1.9.0', '1.10.0-rc.1', '1.10.0', 'alpine', 'latest']);
  });
});
