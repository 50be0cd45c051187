import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyMember, anyRule } from './arbitraries.spec.js';
import { evaluate } from './evaluate.js';
import { type MongoFilter, toMongo } from './to-mongo.js';

/** A package outside this one's build; the specifier is a variable so that only the test resolves it. */
const matcher: string = '@muster/embedded-mongo/match';
const { compileFilter } = (await import(matcher)) as {
  compileFilter(filter: MongoFilter): (document: object) => boolean;
};

const OPERATORS = new Set(
  '$and $or $nor $not $eq $ne $in $gt $gte $lt $lte $exists $regex $elemMatch $type'.split(' '),
);

function operatorsIn(filter: unknown): string[] {
  if (Array.isArray(filter)) return filter.flatMap(operatorsIn);
  if (typeof filter !== 'object' || filter === null) return [];
  return Object.entries(filter).flatMap(([key, value]) => [
    ...(key.startsWith('$') ? [key] : []),
    ...operatorsIn(value),
  ]);
}

describe('laws of toMongo', () => {
  it('finds the members that evaluate accepts, by the matcher of the embedded server', () => {
    fc.assert(
      fc.property(anyRule, fc.array(anyMember, { minLength: 1, maxLength: 6 }), (rule, members) => {
        const matches = compileFilter(toMongo(rule));
        const found = members.map((member) => matches(structuredClone(member)));
        expect(found).toEqual(
          members.map((member) => evaluate(rule, member, '2026-11-22T04:00:00.000Z').matches),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('uses only operators that every server has', () => {
    fc.assert(
      fc.property(anyRule, (rule) => {
        expect(operatorsIn(toMongo(rule)).filter((operator) => !OPERATORS.has(operator))).toEqual([]);
      }),
    );
  });

  it('anchors a prefix and takes special characters as themselves', () => {
    expect(toMongo({ op: 'compare', property: 'city', operator: '^=', value: 'A.(b)*' })).toEqual({
      'folded.fields.city': { $regex: String.raw`^a\.\(b\)\*` },
    });
  });
});
