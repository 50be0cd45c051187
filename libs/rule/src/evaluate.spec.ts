import { describe, expect, it } from 'vitest';
import type { FieldCatalogue } from './catalogue.js';
import { evaluate } from './evaluate.js';
import { fieldsOf, groupsOf } from './fields-of.js';
import { fold } from './fold.js';
import { foldMember, type RuleMember } from './member.js';
import { parseRule } from './parse.js';
import type { Rule } from './rule.js';

const catalogue: FieldCatalogue = {
  defaultCountry: 'IL',
  fields: [
    { key: 'city', name: 'City', type: 'text' },
    { key: 'shoe', name: 'Shoe size', type: 'number' },
    { key: 'vegan', name: 'Vegan', type: 'boolean' },
    { key: 'nothing', name: 'Nothing', type: 'text' },
    { key: 'none', name: 'No number', type: 'number' },
  ],
  groups: [
    { id: 'g1', name: 'Members' },
    { id: 'g2', name: 'Staff' },
  ],
};

const ann: Omit<RuleMember, 'folded'> = {
  contactId: 'c1',
  firstName: 'Añn',
  lastName: 'Cohen',
  externalId: 'X-77',
  phones: [
    { value: '+972541234567', key: 'k1', primary: true, status: 'active', country: 'IL', type: 'mobile' },
    { value: '+14155552671', key: 'k2', primary: false, status: 'opted_out', country: 'US' },
  ],
  emails: [],
  fields: { city: 'חֵיפָה', shoe: 38, vegan: false },
  groups: ['all', 'g1'],
  status: 'active',
  source: 'import',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-06-01T12:00:00.000Z',
  optedInAt: '2026-01-01T00:00:00.000Z',
};
const member: RuleMember = { ...ann, folded: foldMember(ann) };

function read(text: string): Rule {
  const parsed = parseRule(text, catalogue);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error.message}`);
  return parsed.rule;
}

const table: [text: string, matches: boolean][] = [
  ['', true],
  ['not true', false],
  ['ann', true],
  ['ANN coh', true],
  ['"ann cohen"', true],
  ['"cohen ann"', false],
  ['bob', false],
  ['x-77', true],
  ['חיפה', true],
  ['38', true],
  ['054-123 4567', true],
  ['0541', true],
  ['972 54', true],
  ['00972541234567', true],
  ['+972-54-123-4567', true],
  ['(415) 555-2671', true],
  ['1 (415) 555', true],
  ['4567', true],
  ['456', false],
  ['9999', false],
  ['city = "חיפה"', true],
  ['firstName = ann', true],
  ['name = "ANN  COHEN"', true],
  ['name ~ "n c"', true],
  ['name ^= ann', true],
  ['name ^= cohen', false],
  ['shoe >= 38', true],
  ['shoe < 38', false],
  ['shoe in (37, 38)', true],
  ['vegan = false', true],
  ['vegan != false', false],
  ['has vegan', true],
  ['has email', false],
  ['not has email', true],
  ['has optedOutAt', false],
  ['has nothing', false],
  ['nothing = x', false],
  ['nothing != x', true],
  ['nothing < x', false],
  ['nothing >= x', false],
  ['nothing ~ x', false],
  ['not nothing in (x)', true],
  ['none < 1', false],
  ['none != 1', true],
  ['none >= 0', false],
  ['optedOutAt < 2030-01-01', false],
  ['not optedOutAt < 2030-01-01', true],
  ['createdAt = 2026-01-01', true],
  ['createdAt > 2026-01-01', false],
  ['updatedAt > 2026-06-01T11:59Z', true],
  ['email != ann@example.com', true],
  ['phone = 0541234567', true],
  ['phone != 0541234567', false],
  ['phone ^= 054', true],
  ['phone ~ 5552671', true],
  ['phone.status = active', true],
  ['phone.status = opted_out', true],
  ['phone.status != opted_out', false],
  ['email.status != active', true],
  ['phone.country in (us, gb)', true],
  ['phone.type = mobile', true],
  ['phone.type = fixed_line', false],
  ['status = active', true],
  ['source = IMPORT', true],
  ['keyword != join', true],
  ['has group', true],
  ['group = members', true],
  ['group != staff', true],
  ['group in (staff, members)', true],
  ['group = all', true],
  ['group != all', false],
];

describe('evaluate', () => {
  it.each(table)('%j is %s for Ann', (text, matches) => {
    expect(evaluate(read(text), member, '2026-11-22T00:00:00.000Z')).toEqual({ matches, until: null });
  });

  it('takes a contact that is only in All contacts for one without a group', () => {
    const alone = { ...member, groups: ['all'] };
    expect(evaluate(read('not has group'), alone, '2026-11-22T00:00:00.000Z').matches).toBe(true);
    expect(evaluate(read('group = all'), { ...member, groups: [] }, '2026-11-22T00:00:00.000Z').matches).toBe(
      true,
    );
  });

  it('finds a number under the spelling of an older plan', () => {
    const phones = [{ ...ann.phones[0], value: '+525512345678', country: 'MX' }] as RuleMember['phones'];
    const juan = { ...ann, phones };
    const folded = { ...juan, folded: foldMember(juan) };
    expect(evaluate(read('"+52 1 55 1234 5678"'), folded, '2026-11-22T00:00:00.000Z').matches).toBe(true);
  });
});

describe('fold', () => {
  it.each([
    ['  ÁNN\u00a0\n Cohen ', 'ann cohen'],
    ['ＦＵＬＬ ﬁ', 'full fi'],
    ['İSTANBUL', 'istanbul'],
    ['שָׁלוֹם', 'שלום'],
    ['مُحَمَّد', 'محمد'],
    ['\u200fחיפה\u200e', 'חיפה'],
    ['が', 'が'],
    ['한글', '한글'],
    ['की', 'की'],
    ['a\u0000b', 'a b'],
  ])('%j is %j', (text, folded) => {
    expect(fold(text)).toBe(folded);
  });
});

describe('fieldsOf and groupsOf', () => {
  it.each([
    ['', [], []],
    ['ann', ['*'], []],
    ['city = x and not (has email or shoe > 1)', ['city', 'email', 'shoe'], []],
    ['name = x', ['firstName', 'lastName', 'name'], []],
    ['group in (members, staff) or group = all', ['group'], ['all', 'g1', 'g2']],
    ['has group', ['group'], []],
  ])('%j depends on %j and %j', (text, fields, groups) => {
    expect([...fieldsOf(read(text))].sort()).toEqual(fields);
    expect([...groupsOf(read(text))].sort()).toEqual(groups);
  });
});
