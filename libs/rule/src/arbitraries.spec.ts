import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FieldCatalogue } from './catalogue.js';
import { evaluate } from './evaluate.js';
import { foldMember, type RuleMember } from './member.js';
import type { CompareOperator, Rule, RuleValue } from './rule.js';

/** What the generators below speak of; small pools, so that rules meet members. */
export const lawCatalogue: FieldCatalogue = {
  defaultCountry: 'IL',
  fields: [
    { key: 'city', name: 'City', type: 'text' },
    { key: 'or', name: 'A reserved word', type: 'text' },
    { key: 'plan', name: 'Plan', type: 'choice', choices: ['gold', 'VIP'] },
    { key: 'age', name: 'Age', type: 'number' },
    { key: 'birthday', name: 'Birthday', type: 'date' },
    { key: 'visitedAt', name: 'Last visit', type: 'datetime' },
    { key: 'vegan', name: 'Vegan', type: 'boolean' },
  ],
  groups: [
    { id: 'g1', name: 'Members' },
    { id: 'g2', name: 'Staff "A"' },
  ],
};

const words = [
  'Haifa',
  'HÁIFA',
  'Tel Aviv',
  'צה"ל',
  'a.b*c',
  'a\\b',
  '(x)',
  '^$',
  'ß',
  '\u{1f600}',
  '\ufb01',
  'Ann',
  'ann',
  '7',
];
const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...words) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }) },
);
/** A letter in front keeps a generated text from folding to nothing. */
const text = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...words) },
  word.map((each) => `a${each}`),
);
const number = fc.oneof(fc.constantFrom(0, 1, -1.5, 18, 1e21, 1e-7), fc.integer({ min: -3, max: 20 }));
const date = fc.constantFrom('1990-02-28', '2000-01-01', '2026-12-31');
const instant = fc.constantFrom(
  '2026-01-01T00:00:00.000Z',
  '2026-06-30T21:00:00.123Z',
  '2026-12-31T23:59:59.999Z',
);
const status = fc.constantFrom('active', 'opted_out', 'blocked', 'no_consent', 'unreachable');
const phones = ['+972541234567', '+14155552671', '+525512345678', '+4520123456'] as const;
const countries = {
  '+972541234567': 'IL',
  '+14155552671': 'US',
  '+525512345678': 'MX',
  '+4520123456': undefined,
};
const emails = ['ann@example.com', 'josé@example.com', 'a+b@xn--bcher-kva.de'] as const;

const EQUAL: CompareOperator[] = ['=', '!='];
const ORDERED: CompareOperator[] = [...EQUAL, '<', '<=', '>', '>='];
const PARTS: CompareOperator[] = ['~', '^='];

function conditions(
  properties: readonly string[],
  operators: CompareOperator[],
  value: fc.Arbitrary<RuleValue>,
) {
  const property = fc.constantFrom(...properties);
  return fc.oneof(
    fc.record({
      op: fc.constant('compare' as const),
      property,
      operator: fc.constantFrom(...operators),
      value,
    }),
    fc.record({
      op: fc.constant('in' as const),
      property,
      values: fc.array(value, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('has' as const), property }),
  );
}

function parts(property: string, value: fc.Arbitrary<string>) {
  return fc.record({
    op: fc.constant('compare' as const),
    property: fc.constant(property),
    operator: fc.constantFrom(...PARTS),
    value,
  });
}

const texts = ['firstName', 'lastName', 'name', 'externalId', 'source', 'import', 'keyword', 'city', 'or'];
const instants = ['createdAt', 'updatedAt', 'optedInAt', 'optedOutAt', 'lastInboundAt', 'visitedAt'];

const condition: fc.Arbitrary<Rule> = fc.oneof(
  { weight: 3, arbitrary: conditions(texts, [...ORDERED, ...PARTS], text) },
  conditions(['age'], ORDERED, number),
  conditions(['vegan'], EQUAL, fc.boolean()),
  conditions(['plan'], EQUAL, fc.constantFrom('gold', 'VIP')),
  conditions(['birthday'], ORDERED, date),
  conditions(instants, ORDERED, instant),
  conditions(['status', 'phone.status', 'email.status'], EQUAL, status),
  conditions(['phone.country'], EQUAL, fc.constantFrom('IL', 'US', 'DK')),
  conditions(['phone.type'], EQUAL, fc.constantFrom('mobile', 'fixed_line')),
  conditions(['group'], EQUAL, fc.constantFrom('g1', 'g2', 'all')),
  conditions(['phone'], EQUAL, fc.constantFrom(...phones)),
  conditions(['email'], EQUAL, fc.constantFrom(...emails)),
  parts('phone', fc.constantFrom('054', '054-123', '972', '+1 (415)', '0097254', '52 1 55', '7')),
  parts('email', fc.constantFrom('ann', '@example', 'JOSE', '.de')),
  fc.record({
    op: fc.constant('search' as const),
    text: fc.oneof(
      text,
      fc.constantFrom('0541234567', '054-123 4567', '(415) 555', '4155', '415', 'example', '18'),
    ),
  }),
  fc.constant({ op: 'true' as const }),
);

/** Rules in canonical form over lawCatalogue, a few levels deep. */
export const anyRule: fc.Arbitrary<Rule> = fc.letrec<{ rule: Rule }>((tie) => ({
  rule: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'rule' },
    condition,
    fc.record({
      op: fc.constantFrom('and' as const, 'or' as const),
      rules: fc.array(tie('rule'), { minLength: 2, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not' as const), rule: tie('rule') }),
  ),
})).rule;

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const name = fc.oneof(
  fc.constant(''),
  fc.constantFrom('Ann', 'ÁNN', 'Tel', 'ß', '\u{1f600}', '\u200b'),
  word,
);

const memberPhone = fc.constantFrom(...phones).chain((value) =>
  fc.record({
    value: fc.constant(value),
    key: fc.constant('0'.repeat(64)),
    primary: fc.boolean(),
    status,
    country: optional(fc.constant(countries[value] ?? 'DK')),
    type: optional(fc.constantFrom('mobile', 'fixed_line')),
  }),
);

const memberEmail = fc.record({
  value: fc.constantFrom(...emails),
  key: fc.constant('1'.repeat(64)),
  primary: fc.boolean(),
  status,
});

/** Drops what is undefined, as a document store does. */
function dense<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Value;
}

const fields = fc
  .record({
    city: optional(fc.oneof(word, fc.constant(''), fc.constant(7))),
    or: optional(text),
    plan: optional(fc.constantFrom('gold', 'VIP')),
    age: optional(fc.oneof(number, fc.constant('18'))),
    birthday: optional(date),
    visitedAt: optional(instant),
    vegan: optional(fc.boolean()),
  })
  .map((each) => dense(each) as Record<string, RuleValue>);

/** Members with their folded copies. */
export const anyMember: fc.Arbitrary<RuleMember> = fc
  .record({
    contactId: fc.uuid(),
    firstName: name,
    lastName: name,
    externalId: fc.oneof(fc.constant(''), word),
    phones: fc.array(memberPhone.map(dense), { maxLength: 2 }),
    emails: fc.array(memberEmail, { maxLength: 2 }),
    fields,
    groups: fc.subarray(['g1', 'g2', 'all']),
    status,
    source: fc.constantFrom('api', 'console', 'Ann', ''),
    import: optional(word),
    keyword: optional(text),
    createdAt: instant,
    updatedAt: instant,
    optedInAt: optional(instant),
    optedOutAt: optional(instant),
    lastInboundAt: optional(instant),
  })
  .map((member) => {
    const stored = dense(member);
    return { ...stored, folded: foldMember(stored) };
  });

describe('the generators of the laws', () => {
  it('make conditions that hold about as often as they do not, of every kind', () => {
    const samples = fc.sample(fc.tuple(anyRule, anyMember), 2000);
    const matching = samples.filter(
      ([rule, member]) => evaluate(rule, member, '2026-11-22T04:00:00.000Z').matches,
    );
    expect(matching.length).toBeGreaterThan(500);
    expect(matching.length).toBeLessThan(1500);
    expect(new Set(matching.map(([rule]) => rule.op)).size).toBe(8);
  });
});
