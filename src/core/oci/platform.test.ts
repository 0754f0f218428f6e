import { describe, expect, test } from 'bun:test';
import { formatPlatform, parsePlatform, platformMatches } from './platform.ts';

describe('parsePlatform', () => {
  for (const text of ['linux/amd64', 'linux/arm/v7', 'windows/amd64']) {
    test(text, () => expect(formatPlatform(parsePlatform(text))).toBe(text));
  }
  for (const text of ['', 'linux', 'linux/', '/amd64', 'linux/arm/', 'linux/arm/v7/x']) {
    test(`"${text}" is none`, () => {
      expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'REQUEST_INVALID' }));
    });
  }
});

describe('platformMatches', () => {
  const cases = [
    { name: 'the same', wanted: 'linux/amd64', offered: 'linux/amd64', matches: true },
    { name: 'another architecture', wanted: 'linux/amd64', offered: 'linux/arm64', matches: false },
    { name: 'another system', wanted: 'linux/amd64', offered: 'windows/amd64', matches: false },
    { name: 'any variant', wanted: 'linux/arm', offered: 'linux/arm/v7', matches: true },
    { name: 'the variant', wanted: 'linux/arm/v7', offered: 'linux/arm/v7', matches: true },
    { name: 'another variant', wanted: 'linux/arm/v6', offered: 'linux/arm/v7', matches: false },
    { name: 'arm64 is v8', wanted: 'linux/arm64/v8', offered: 'linux/arm64', matches: true },
    { name: 'v8 is arm64', wanted: 'linux/arm64', offered: 'linux/arm64/v8', matches: true },
    { name: 'a variant that is not said', wanted: 'linux/arm/v7', offered: 'linux/arm', matches: false },
  ];
  for (const { name, wanted, offered, matches } of cases) {
    test(name, () => expect(platformMatches(parsePlatform(wanted), parsePlatform(offered))).toBe(matches));
  }

  test('the version of a system, where it is wanted', () => {
    const offered = { os: 'windows', architecture: 'amd64', osVersion: '10.0.20348.1' };
    expect(platformMatches({ os: 'windows', architecture: 'amd64' }, offered)).toBe(true);
    expect(platformMatches({ ...offered, osVersion: '10.0.17763.1' }, offered)).toBe(false);
    expect(platformMatches(parsePlatform('linux/amd64'), undefined)).toBe(false);
  });
});
