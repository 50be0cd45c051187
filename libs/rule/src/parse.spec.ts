import { describe, expect, it } from 'vitest';
import type { FieldCatalogue } from './catalogue.js';
import { parseRule, readPrintedRule } from './parse.js';
import { printRule } from './print.js';
import type { Rule, RuleValue } from './rule.js';
import { validateRule } from './validate.js';

const catalogue: FieldCatalogue = {
  defaultCountry: 'IL',
  fields: [
    { key: 'city', name: 'City', type: 'text' },
    { key: 'plan', name: 'Plan', type: 'choice', choices: ['gold', 'VIP', 'Basic'] },
    { key: 'age', name: 'Age in years', type: 'number' },
    { key: 'birthday', name: 'Date of birth', type: 'date' },
    { key: 'visitedAt', name: 'Last visit', type: 'datetime' },
    { key: 'vegan', name: 'Vegan', type: 'boolean' },
    { key: 'status', name: 'Hidden by the built-in one', type: 'number' },
  ],
  groups: [
    { id: 'g1', name: 'Members' },
    { id: 'g2', name: 'Twice' },
    { id: 'g3', name: 'twice' },
  ],
};

const eq = (property: string, value: RuleValue): Rule => ({ op: 'compare', property, operator: '=', value });
const cmp = (
  property: string,
  operator: '!=' | '<' | '<=' | '>' | '>=' | '~' | '^=',
  value: RuleValue,
): Rule => ({
  op: 'compare',
  property,
  operator,
  value,
});
const find = (text: string): Rule => ({ op: 'search', text });
const has = (property: string): Rule => ({ op: 'has', property });
const not = (rule: Rule): Rule => ({ op: 'not', rule });
const and = (...rules: Rule[]): Rule => ({ op: 'and', rules });
const or = (...rules: Rule[]): Rule => ({ op: 'or', rules });

const accepted: [text: string, rule: Rule][] = [
  ['', { op: 'true' }],
  ['  ', { op: 'true' }],
  ['true', { op: 'true' }],
  ['city = "Haifa"', eq('city', 'Haifa')],
  ['city="Haifa"', eq('city', 'Haifa')],
  ['CITY = Haifa', eq('city', 'Haifa')],
  ['"City" = “Tel Aviv”', eq('city', 'Tel Aviv')],
  [String.raw`city = "a \"b\" \\ c"`, eq('city', String.raw`a "b" \ c`)],
  ['city = צה"ל', eq('city', 'צה"ל')],
  ['city != "Haifa"', cmp('city', '!=', 'Haifa')],
  ['city = 007', eq('city', '007')],
  ['city ~ hai', cmp('city', '~', 'hai')],
  ['city ^= "Tel"', cmp('city', '^=', 'Tel')],
  ['"Age in years" >= 18', cmp('age', '>=', 18)],
  ['age<18', cmp('age', '<', 18)],
  ['age <= -1.5e3', cmp('age', '<=', -1500)],
  ['age > "18"', cmp('age', '>', 18)],
  ['age in (1, 2,3)', { op: 'in', property: 'age', values: [1, 2, 3] }],
  ['age not in (1)', not({ op: 'in', property: 'age', values: [1] })],
  ['plan = vip', eq('plan', 'VIP')],
  ['plan in ("gold", "vip")', { op: 'in', property: 'plan', values: ['gold', 'VIP'] }],
  ['vegan = true', eq('vegan', true)],
  ['vegan != FALSE', cmp('vegan', '!=', false)],
  ['birthday > 1990-02-28', cmp('birthday', '>', '1990-02-28')],
  ['visitedAt > 2026-01-31T09:00Z', cmp('visitedAt', '>', '2026-01-31T09:00:00.000Z')],
  ['visitedAt > "2026-01-31T09:00+02:00"', cmp('visitedAt', '>', '2026-01-31T07:00:00.000Z')],
  ['createdAt < 2026-01-31', cmp('createdAt', '<', '2026-01-31T00:00:00.000Z')],
  ['createdAt <= 2026-01-31', cmp('createdAt', '<', '2026-02-01T00:00:00.000Z')],
  [
    'createdAt = 2026-12-31',
    and(
      cmp('createdAt', '>=', '2026-12-31T00:00:00.000Z'),
      cmp('createdAt', '<', '2027-01-01T00:00:00.000Z'),
    ),
  ],
  ['has email', has('email')],
  ['has "Date of birth"', has('birthday')],
  ['not has email', not(has('email'))],
  ['NOT not has group', not(not(has('group')))],
  ['group = "Members"', eq('group', 'g1')],
  ['group = g2', eq('group', 'g2')],
  ['group = "all contacts"', eq('group', 'all')],
  ['group in (members, g3)', { op: 'in', property: 'group', values: ['g1', 'g3'] }],
  ['status = "Active"', eq('status', 'active')],
  ['phone.status = opted_out', eq('phone.status', 'opted_out')],
  ['phone.country = il', eq('phone.country', 'IL')],
  ['phone.type != mobile', cmp('phone.type', '!=', 'mobile')],
  ['phone = "054-123 4567"', eq('phone', '+972541234567')],
  ['phone = 054-123 4567', eq('phone', '+972541234567')],
  ['phone = +1 (415) 555-2671 and ann', and(eq('phone', '+14155552671'), find('ann'))],
  ['phone ~ 1234', cmp('phone', '~', '1234')],
  ['email = Ann@Example.com', eq('email', 'ann@example.com')],
  ['email ~ "@example."', cmp('email', '~', '@example.')],
  ['ann', find('ann')],
  ['"ann cohen"', find('ann cohen')],
  ['Cohen, Ann', and(find('Cohen'), find('Ann'))],
  ['ann cohen or city = Haifa', or(and(find('ann'), find('cohen')), eq('city', 'Haifa'))],
  ["o'brien", find("o'brien")],
  ['ann@example.com', find('ann@example.com')],
  ['054-123 4567', find('054-123 4567')],
  ['(054) 123-4567', find('(054) 123-4567')],
  ['ann +972 54 123 4567', and(find('ann'), find('+972 54 123 4567'))],
  ['(0541234)', find('0541234')],
  ['(city = Haifa and 0541234)', and(eq('city', 'Haifa'), find('0541234'))],
  ['1234abc', find('1234abc')],
  ['city', find('city')],
  ['android order', and(find('android'), find('order'))],
  ['"true"', find('true')],
  ['within', find('within')],
  ['not a and b', and(not(find('a')), find('b'))],
  ['a and b or c and d', or(and(find('a'), find('b')), and(find('c'), find('d')))],
  ['a and (b or c)', and(find('a'), or(find('b'), find('c')))],
  ['(a and b) and c', and(and(find('a'), find('b')), find('c'))],
  ['a AND b\n\tAND c', and(find('a'), find('b'), find('c'))],
  ['a not b', and(find('a'), not(find('b')))],
  [
    'city = "Haifa" and (plan in ("gold", "vip") or age >= 18)',
    and(
      eq('city', 'Haifa'),
      or({ op: 'in', property: 'plan', values: ['gold', 'VIP'] }, cmp('age', '>=', 18)),
    ),
  ],
];

const refused: [text: string, code: string, position: number, expected?: string][] = [
  ['city =', 'rule:syntax', 6, 'a value'],
  ['city = and', 'rule:syntax', 7, 'a value'],
  ['city = = x', 'rule:syntax', 7, 'a value'],
  ['city = "Haifa', 'rule:syntax', 7, '"'],
  ['city = Tel Aviv', 'rule:syntax', 11, 'quotes round a value of several words'],
  ['city = ""', 'rule:invalid_value', 7, 'a text'],
  ['city ~ "\u0301 "', 'rule:invalid_value', 7, 'a text'],
  ['(city = x', 'rule:syntax', 9, ')'],
  ['city = x)', 'rule:syntax', 8, 'end of the rule'],
  ['()', 'rule:syntax', 1, 'a property'],
  ['and x', 'rule:syntax', 0, 'a property'],
  ['ann or', 'rule:syntax', 6, 'a property'],
  ['ann and or bob', 'rule:syntax', 8, 'a property'],
  ['not', 'rule:syntax', 3, 'a property'],
  ['has', 'rule:syntax', 3, 'a property'],
  ['has nothing', 'rule:unknown_property', 4, 'phone.status'],
  ['a and citty = "Haifa"', 'rule:unknown_property', 6, 'city'],
  ['citty in (x)', 'rule:unknown_property', 0, 'city'],
  ['citty within last 3 days', 'rule:unknown_property', 0, 'city'],
  ['__proto__ = 1', 'rule:unknown_property', 0, 'city'],
  ['fields.city = 1', 'rule:unknown_property', 0, 'city'],
  ['city in ("a"', 'rule:syntax', 12, ')'],
  ['city in ("a" "b")', 'rule:syntax', 13, ','],
  ['city in ()', 'rule:syntax', 9, 'a value'],
  ['city in ("a",)', 'rule:syntax', 13, 'a value'],
  ['age = old', 'rule:invalid_value', 6, 'a number'],
  ['age = 1e999', 'rule:invalid_value', 6, 'a number'],
  ['age in (1, x)', 'rule:invalid_value', 11, 'a number'],
  ['age ~ 1', 'rule:syntax', 4, '>='],
  ['vegan = maybe', 'rule:invalid_value', 8, 'true'],
  ['vegan > true', 'rule:syntax', 6, '='],
  ['plan = silver', 'rule:invalid_value', 7, 'VIP'],
  ['birthday = 1990-02-30', 'rule:invalid_value', 11, 'a date such as 2026-01-31'],
  ['createdAt > yesterday', 'rule:invalid_value', 12, 'a date such as 2026-01-31'],
  ['createdAt > 2026-02-30T00:00Z', 'rule:invalid_value', 12, 'a date such as 2026-01-31'],
  ['group = "Nobody"', 'rule:unknown_group', 8, 'Members'],
  ['group = TWICE', 'rule:unknown_group', 8, 'g3'],
  ['group ~ x', 'rule:syntax', 6, '='],
  ['status = asleep', 'rule:invalid_value', 9, 'opted_out'],
  ['phone = 12', 'rule:invalid_value', 8, 'a phone number with its country, such as +14155552671'],
  ['phone ~ ann', 'rule:invalid_value', 8, 'digits of a phone number'],
  ['phone > 1', 'rule:syntax', 6, '^='],
  ['email = ann', 'rule:invalid_value', 8, 'an e-mail address'],
  ['phone.country = Israel', 'rule:invalid_value', 16, 'a country code of two letters, such as IL'],
  ['optedInAt within last 30 days', 'rule:time_not_supported', 10, '<'],
  ['ann and birthday is today', 'rule:time_not_supported', 17, '<'],
  ['lastInboundAt older than 90 days', 'rule:time_not_supported', 14, '<'],
  ['birthday anniversary in 7 days', 'rule:time_not_supported', 9, '<'],
  ['""', 'rule:invalid_value', 0, 'a text'],
  ['a = b = c', 'rule:unknown_property', 0],
];

describe('parseRule', () => {
  it.each(accepted)('reads %j', (text, rule) => {
    expect(parseRule(text, catalogue)).toEqual({ ok: true, rule });
  });

  it.each(accepted)('reads %j again from its JSON form and from what is printed', (_text, rule) => {
    expect(validateRule(JSON.parse(JSON.stringify(rule)), catalogue)).toEqual({ ok: true, rule });
    expect(parseRule(printRule(rule), catalogue)).toEqual({ ok: true, rule });
    expect(parseRule(printRule(rule, catalogue), catalogue)).toEqual({ ok: true, rule });
    expect(readPrintedRule(printRule(rule))).toEqual({ ok: true, rule });
  });

  it.each(refused)('refuses %j: %s at %i', (text, code, position, what) => {
    const parsed = parseRule(text, catalogue);
    expect(parsed).toMatchObject({ ok: false, error: { code, position } });
    const expected = parsed.ok ? [] : parsed.error.expected;
    expect(what === undefined ? [what] : expected).toContain(what);
  });

  it('takes in for a word where no list follows', () => {
    expect(parseRule('city in haifa', catalogue)).toEqual({
      ok: true,
      rule: and(find('city'), find('in'), find('haifa')),
    });
  });

  it('means the day of the zone of the account', () => {
    const inZone = { ...catalogue, timeZone: 'Asia/Jerusalem' };
    expect(parseRule('createdAt >= 2026-07-01', inZone)).toEqual({
      ok: true,
      rule: cmp('createdAt', '>=', '2026-06-30T21:00:00.000Z'),
    });
    const day = (date: string) =>
      parseRule(`createdAt = ${date}`, { ...catalogue, timeZone: 'America/New_York' });
    expect(day('2026-03-08')).toEqual({
      ok: true,
      rule: and(
        cmp('createdAt', '>=', '2026-03-08T05:00:00.000Z'),
        cmp('createdAt', '<', '2026-03-09T04:00:00.000Z'),
      ),
    });
    expect(day('2026-11-01')).toEqual({
      ok: true,
      rule: and(
        cmp('createdAt', '>=', '2026-11-01T04:00:00.000Z'),
        cmp('createdAt', '<', '2026-11-02T05:00:00.000Z'),
      ),
    });
  });

  it('prints group names for people and keys for machines', () => {
    const parsed = parseRule('"Age in years" > 1 and group = "members"', catalogue);
    const rule = parsed.ok ? parsed.rule : undefined;
    expect(rule && printRule(rule)).toBe('age > 1 and group = "g1"');
    expect(rule && printRule(rule, catalogue)).toBe('age > 1 and group = "Members"');
  });
});

describe('the limits of a rule', () => {
  const many = (count: number) => Array.from({ length: count }, () => 'a').join(' or ');

  it('takes 250 conditions and refuses the next where it stands', () => {
    expect(parseRule(many(250), catalogue).ok).toBe(true);
    expect(parseRule(many(251), catalogue)).toMatchObject({
      ok: false,
      error: { code: 'rule:too_many_conditions', position: 250 * 5 },
    });
    const rules = Array.from({ length: 251 }, () => find('a'));
    expect(validateRule({ op: 'or', rules }, catalogue)).toMatchObject({
      ok: false,
      error: { code: 'rule:too_many_conditions' },
    });
  });

  it('takes 20 levels and refuses the next where it begins', () => {
    expect(parseRule(`${'('.repeat(20)}a${')'.repeat(20)}`, catalogue).ok).toBe(true);
    expect(parseRule(`${'not '.repeat(20)}a`, catalogue).ok).toBe(true);
    for (const text of [`${'('.repeat(21)}a`, `${'not '.repeat(21)}a`, '('.repeat(9_999)]) {
      const position = text.startsWith('(') ? 20 : 80;
      expect(parseRule(text, catalogue)).toMatchObject({
        ok: false,
        error: { code: 'rule:too_deep', position },
      });
    }
    let deep: Rule = find('a');
    for (let level = 0; level < 20; level += 1) deep = not(deep);
    expect(validateRule(deep, catalogue).ok).toBe(true);
    for (let level = 0; level < 10_000; level += 1) deep = not(deep);
    expect(validateRule(deep, catalogue)).toMatchObject({ ok: false, error: { code: 'rule:too_deep' } });
  });

  it('takes 10,000 characters and refuses one more', () => {
    expect(parseRule(`"${'a'.repeat(9_998)}"`, catalogue).ok).toBe(true);
    expect(parseRule(`"${'a'.repeat(9_999)}"`, catalogue)).toMatchObject({
      ok: false,
      error: { code: 'rule:too_long' },
    });
    expect(validateRule(find('"'.repeat(5_000)), catalogue)).toMatchObject({
      ok: false,
      error: { code: 'rule:too_long' },
    });
  });
});

describe('validateRule', () => {
  it.each([
    [null, 'rule:syntax', ''],
    ['city = 1', 'rule:syntax', ''],
    [[], 'rule:syntax', ''],
    [{}, 'rule:syntax', 'op'],
    [{ op: 'constructor' }, 'rule:syntax', 'op'],
    [{ op: 'true', extra: 1 }, 'rule:syntax', 'extra'],
    [{ op: 'and', rules: [] }, 'rule:syntax', 'rules'],
    [{ op: 'and', rules: [{ op: 'has', property: 'city' }, 7] }, 'rule:syntax', 'rules.1'],
    [{ op: 'not' }, 'rule:syntax', 'rule'],
    [{ op: 'not', rule: { op: 'has', property: 'nope' } }, 'rule:unknown_property', 'rule.property'],
    [{ op: 'compare', property: 'age', operator: '$gt', value: 1 }, 'rule:syntax', 'operator'],
    [{ op: 'compare', property: 'age', operator: '=', value: { $gt: 1 } }, 'rule:syntax', 'value'],
    [{ op: 'compare', property: 'age', operator: '=', value: 'x' }, 'rule:invalid_value', 'value'],
    [{ op: 'compare', property: 'city', operator: '~', value: 1 }, 'rule:invalid_value', 'value'],
    [{ op: 'in', property: 'age', values: [] }, 'rule:syntax', 'values'],
    [{ op: 'in', property: 'age', values: [[1]] }, 'rule:syntax', 'values'],
    [{ op: 'search', text: ' ' }, 'rule:invalid_value', 'text'],
    [{ op: 'compare', property: 'group', operator: '=', value: 'none' }, 'rule:unknown_group', 'value'],
  ])('refuses %j: %s at %s', (json, code, path) => {
    expect(validateRule(json, catalogue)).toMatchObject({ ok: false, error: { code, path, position: 0 } });
  });

  it('makes a join of one rule that rule', () => {
    expect(validateRule({ op: 'and', rules: [{ op: 'true' }] }, catalogue)).toEqual({
      ok: true,
      rule: { op: 'true' },
    });
  });
});
