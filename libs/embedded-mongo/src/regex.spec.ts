import { BSONRegExp } from 'bson';
import { describe, expect, it } from 'vitest';
import { compileRegex } from './regex.js';

describe('the literal prefix of a regex', () => {
  const prefixes: [pattern: string, options: string, prefix: string | undefined][] = [
    ['^abc', '', 'abc'],
    ['^abc', 'i', undefined],
    ['^abc', 'm', undefined],
    ['abc', '', undefined],
    ['^abc|d', '', undefined],
    ['^abc?', '', 'ab'],
    ['^abc*', '', 'ab'],
    ['^abc{2}', '', 'ab'],
    ['^ab+', '', 'ab'],
    ['^a', '', 'a'],
    ['^a?', '', undefined],
    ['^\\+49\\.', '', '+49.'],
    ['^a\\d', '', 'a'],
    ['^a.c', '', 'a'],
    ['^(a)', '', undefined],
    ['(?i)^abc', '', undefined],
    ['^abc$', '', 'abc'],
  ];
  it.each(prefixes)('of %s with options "%s" is %s', (pattern, options, prefix) => {
    expect(compileRegex(pattern, options).prefix).toBe(prefix);
  });

  it('starts every text that the regex finds', () => {
    const texts = ['', 'a', 'ab', 'abc', 'abbc', 'b', '+49.', 'x\nabc', 'acc'];
    for (const [pattern, options, prefix] of prefixes) {
      const regex = compileRegex(pattern, options);
      const found = texts.filter((text) => regex.test(text));
      expect(found.every((text) => text.startsWith(prefix ?? ''))).toBe(true);
    }
  });
});

describe('regex options', () => {
  it('reads the s option from a decoded regex, where it is called g', () => {
    expect(compileRegex(/a.b/g).test('a\nb')).toBe(true);
    expect(compileRegex(/a.b/).test('a\nb')).toBe(false);
  });

  it('keeps no state between tests', () => {
    const regex = compileRegex(/a/g);
    expect([regex.test('a'), regex.test('a')]).toEqual([true, true]);
  });

  it('finds line starts and ends with the m option', () => {
    expect(compileRegex(new BSONRegExp('^b$', 'm')).test('a\nb\nc')).toBe(true);
    expect(compileRegex('^b$').test('a\nb\nc')).toBe(false);
  });

  it.each(['\\A', '\\Z', '\\Qa\\E', '[[:alpha:]]', 'a++', '(?>a)', '\\x{41}', '\\R', '[\\S]'])(
    'refuses %s, which JavaScript reads differently',
    (pattern) => {
      expect(() => compileRegex(pattern)).toThrow(expect.objectContaining({ code: 51091 }));
    },
  );
});
