import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from './evaluate.js';
import { compareByCodePoint, fold } from './fold.js';
import { normaliseRule, ruleHash } from './normalise.js';
import { parseRule, readPrintedRule } from './parse.js';
import { printRule } from './print.js';
import type { Rule } from './rule.js';
import { anyMember, anyRule, lawCatalogue } from './arbitraries.spec.js';
import { validateRule } from './validate.js';

const now = '2026-11-22T04:00:00.000Z';
const runs = { numRuns: 1500 };

describe('laws of the two forms', () => {
  it('reads every rule from what is printed of it, and from its JSON form', () => {
    fc.assert(
      fc.property(anyRule, (rule) => {
        const read = { ok: true, rule };
        expect(parseRule(printRule(rule), lawCatalogue)).toEqual(read);
        expect(parseRule(printRule(rule, lawCatalogue), lawCatalogue)).toEqual(read);
        expect(readPrintedRule(printRule(rule))).toEqual(read);
        expect(validateRule(JSON.parse(JSON.stringify(rule)), lawCatalogue)).toEqual(read);
      }),
      runs,
    );
  });

  it('answers every text with a rule or with an error inside the text', () => {
    const pieces = fc.constantFrom(
      'city',
      'age',
      'phone',
      'group',
      ' and ',
      ' or ',
      'not ',
      'has ',
      '(',
      ')',
      ' in (',
      ',',
      '=',
      '!=',
      '~',
      '"',
      '^=',
      '<',
      'Haifa',
      '18',
      '054-1234',
      '\\',
      '“',
      ' is today',
      ' within last ',
      '\ud800',
      '\u0000',
      ' ',
    );
    const soup = fc.oneof(
      fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(soup, (text) => {
        const parsed = parseRule(text, lawCatalogue);
        const position = parsed.ok ? 0 : parsed.error.position;
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThanOrEqual(text.length);
        const again = parsed.ok ? parseRule(printRule(parsed.rule), lawCatalogue) : parsed;
        expect(again).toEqual(parsed);
      }),
      { numRuns: 4000 },
    );
  });

  it('never throws for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(typeof validateRule(json, lawCatalogue).ok).toBe('boolean');
      }),
    );
  });
});

describe('laws of evaluation', () => {
  it('turns round with not, and joins as and and or do', () => {
    fc.assert(
      fc.property(anyRule, anyRule, anyMember, (left, right, member) => {
        const [one, other] = [left, right].map((rule) => evaluate(rule, member, now).matches);
        expect(evaluate({ op: 'not', rule: left }, member, now)).toEqual({ matches: !one, until: null });
        expect(evaluate({ op: 'and', rules: [left, right] }, member, now).matches).toBe(one && other);
        expect(evaluate({ op: 'or', rules: [left, right] }, member, now).matches).toBe(one || other);
      }),
      runs,
    );
  });

  it('answers the same for the normal form, which is stable', () => {
    fc.assert(
      fc.property(anyRule, anyMember, (rule, member) => {
        const normal = normaliseRule(rule);
        expect(normaliseRule(normal)).toEqual(normal);
        expect(evaluate(normal, member, now)).toEqual(evaluate(rule, member, now));
      }),
      runs,
    );
  });

  it('hashes rules of another order alike and other rules differently', () => {
    const one: Rule = { op: 'search', text: 'a' };
    const other: Rule = { op: 'has', property: 'email' };
    const hash = ruleHash({ op: 'and', rules: [one, other] });
    expect(ruleHash({ op: 'and', rules: [other, { op: 'and', rules: [one, other] }] })).toBe(hash);
    expect(ruleHash({ op: 'or', rules: [one, other] })).not.toBe(hash);
  });
});

describe('laws of folding', () => {
  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
      { numRuns: 5000 },
    );
  });

  it('folds plain characters in one way, alone and beside others', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]*$/), (text) => {
        expect(fold(text)).toBe(fold(`${text}\u200b`));
      }),
      { numRuns: 2000 },
    );
  });

  it('orders as the bytes of UTF-8 do', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4 });
    fc.assert(
      fc.property(text, text, (left, right) => {
        const bytes = Buffer.compare(Buffer.from(left), Buffer.from(right));
        expect(Math.sign(compareByCodePoint(left, right))).toBe(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});
