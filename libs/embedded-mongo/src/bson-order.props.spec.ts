import { Binary, BSONRegExp, Decimal128, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'bson';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareValues,
  encodeCompoundKey,
  encodeKey,
  encodeStringPrefix,
  keyAfterPrefix,
} from './bson-order.js';
import { compileFilter } from './match.js';
import type { Document } from './bson-types.js';
import { applyUpdate } from './update.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = fc.string({ unit: 'binary', maxLength: 4 });
const near = fc.constantFrom(
  0,
  -0,
  1,
  0.1,
  9007199254740992,
  -9007199254740992,
  5e-324,
  1.7976931348623157e308,
);
const decimalText = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 33n }), fc.integer({ min: -60, max: 40 }))
  .map(([negative, digits, exponent]) => `${negative ? '-' : ''}${digits}E${exponent}`);
const number = fc.oneof(
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  near,
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => Long.fromBigInt(value)),
  fc.integer({ min: -2, max: 2 }).map((step) => Long.fromBigInt(9007199254740992n + BigInt(step))),
  decimalText.map((value) => Decimal128.fromString(value)),
  fc
    .constantFrom('0.1', '-0', '0.0', 'Infinity', '-Infinity', 'NaN', '1E-400', '1E400', '9007199254740992.5')
    .map((value) => Decimal128.fromString(value)),
);
const scalar = fc.oneof(
  fc.constantFrom<unknown>(null, undefined, true, false, new MinKey(), new MaxKey()),
  number,
  text,
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => new ObjectId(hex(bytes))),
  fc
    .tuple(fc.uint8Array({ maxLength: 3 }), fc.constantFrom(0, 5))
    .map(([bytes, type]) => new Binary(bytes, type)),
  fc.tuple(fc.nat(), fc.nat()).map(([t, i]) => new Timestamp({ t, i })),
  fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('', 'i', 'im')).map(([p, o]) => new BSONRegExp(p, o)),
);
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 2, withCrossShrink: true },
    scalar,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', ''), tie('any'), { maxKeys: 3 }),
  ),
})).any;

const sign = (order: number): number => Math.sign(order) + 0;

describe('the order of BSON values', () => {
  it('is the byte order of encoded keys', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(sign(compareValues(a, b)));
      }),
      { numRuns: 3000 },
    );
  });

  it('is the byte order of encoded numbers of all types', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(sign(compareValues(a, b)));
      }),
      { numRuns: 5000 },
    );
  });

  it('is total: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(value, value, value, (a, b, c) => {
        expect(sign(compareValues(a, b))).toBe(sign(-compareValues(b, a)));
        const sorted = [[a], [b], [c]].sort(compareValues);
        expect(compareValues(sorted[0], sorted[2])).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('holds part by part in compound keys, each in its direction', () => {
    const pair = fc.tuple(value, value);
    const directions = fc.tuple(fc.constantFrom<1 | -1>(1, -1), fc.constantFrom<1 | -1>(1, -1));
    fc.assert(
      fc.property(pair, pair, directions, (a, b, [first, second]) => {
        const expected = compareValues(a[0], b[0]) * first || compareValues(a[1], b[1]) * second;
        const keys = [encodeCompoundKey(a, [first, second]), encodeCompoundKey(b, [first, second])] as const;
        expect(sign(Buffer.compare(keys[0], keys[1]))).toBe(sign(expected));
      }),
      { numRuns: 2000 },
    );
  });

  it('puts exactly the strings with a prefix between the prefix and the key after it', () => {
    fc.assert(
      fc.property(text, text, (prefix, other) => {
        const low = encodeStringPrefix(prefix);
        const high = keyAfterPrefix(low)!;
        const key = encodeKey(other);
        const inside = Buffer.compare(key, low) >= 0 && Buffer.compare(key, high) < 0;
        expect(inside).toBe(other.startsWith(prefix));
      }),
      { numRuns: 2000 },
    );
  });
});

const document = fc.dictionary(fc.constantFrom('a', 'b'), value, { maxKeys: 2 });
const operand = value.filter((each) => !(each instanceof BSONRegExp));
const condition = fc.oneof(
  fc.tuple(fc.constantFrom('$eq', '$gt', '$gte', '$lt', '$lte'), operand).map(([op, x]) => ({ [op]: x })),
  fc.array(operand, { maxLength: 3 }).map((list) => ({ $in: list })),
  fc.boolean().map((exists) => ({ $exists: exists })),
  fc.nat({ max: 3 }).map((size) => ({ $size: size })),
);
const path = fc.constantFrom('a', 'a.b', 'a.0', 'b');

describe('filters', () => {
  it('$not is the complement', () => {
    fc.assert(
      fc.property(document, path, condition, (doc, at, test) => {
        const plain = compileFilter({ [at]: test })(doc);
        expect(compileFilter({ [at]: { $not: test } })(doc)).toBe(!plain);
        expect(compileFilter({ $nor: [{ [at]: test }] })(doc)).toBe(!plain);
      }),
      { numRuns: 2000 },
    );
  });

  it('$gte is $gt or $eq, as long as the operand is no MinKey or MaxKey', () => {
    fc.assert(
      fc.property(document, path, operand, (doc, at, x) => {
        const is = (op: string): boolean => compileFilter({ [at]: { [op]: x } })(doc);
        expect(is('$gte')).toBe(is('$gt') || is('$eq'));
        expect(is('$lte')).toBe(is('$lt') || is('$eq'));
      }),
      { numRuns: 2000 },
    );
  });

  it('$in is the disjunction of equalities', () => {
    fc.assert(
      fc.property(document, path, fc.array(operand, { minLength: 1, maxLength: 3 }), (doc, at, list) => {
        const each = list.some((x) => compileFilter({ [at]: { $eq: x } })(doc));
        expect(compileFilter({ [at]: { $in: list } })(doc)).toBe(each);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('updates', () => {
  it('$set twice is $set once, and the second changes nothing', () => {
    fc.assert(
      fc.property(document, fc.constantFrom('a', 'b', 'c.d'), value, (doc: Document, at, x) => {
        const once = applyUpdate(doc, { $set: { [at]: x ?? null } });
        const twice = applyUpdate(once.doc, { $set: { [at]: x ?? null } });
        expect(twice.changed).toBe(false);
        expect(compileFilter({ [at]: { $eq: x ?? null } })(once.doc)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('a field that is set and unset again leaves the document as it was', () => {
    fc.assert(
      fc.property(document, value, (doc: Document, x) => {
        const added = applyUpdate(doc, { $set: { added: x ?? null } }).doc;
        expect(applyUpdate(added, { $unset: { added: 1 } }).doc).toEqual(doc);
      }),
    );
  });

  it('never changes the document it is given', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), value, (list, x) => {
        const doc = { a: list };
        const before = encodeKey(doc).toString('hex');
        applyUpdate(doc, { $push: { a: { $each: [x], $sort: 1 } } });
        applyUpdate(doc, { $pull: { a: x as Document } });
        expect(encodeKey(doc).toString('hex')).toBe(before);
      }),
    );
  });
});
