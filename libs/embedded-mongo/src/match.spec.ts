import { Binary, BSONRegExp, Decimal128, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from 'bson';
import { describe, expect, it } from 'vitest';
import type { Document } from './bson-types.js';
import { CommandError } from './errors.js';
import { compileFilter } from './match.js';

const decimal = (text: string): Decimal128 => Decimal128.fromString(text);
const long = (text: string): Long => Long.fromString(text);
const first = new ObjectId('000000000000000000000001');
const second = new ObjectId('000000000000000000000002');
const copyOf = (id: ObjectId): ObjectId => new ObjectId(id.toHexString());
const uuid = '00000000-0000-4000-8000-000000000001';

type Row = [name: string, document: Document, filter: Document, expected: boolean];

/** Expected values follow MongoDB's manual (query operators, comparison order, querying null and arrays). */
const tables: Record<string, Row[]> = {
  'null and missing': [
    ['null matches a missing field', {}, { a: null }, true],
    ['null matches null', { a: null }, { a: null }, true],
    ['$ne null does not match missing', {}, { a: { $ne: null } }, false],
    ['$exists is true for null', { a: null }, { a: { $exists: true } }, true],
    ['$exists false is false for null', { a: null }, { a: { $exists: false } }, false],
    ['$exists 0 matches missing', {}, { a: { $exists: 0 } }, true],
    ['$lte null matches null', { a: null }, { a: { $lte: null } }, true],
    ['$gte null matches missing', {}, { a: { $gte: null } }, true],
    ['$gt null matches nothing', { a: 1 }, { a: { $gt: null } }, false],
    ['$in with null matches missing', {}, { a: { $in: [null] } }, true],
    ['$nin matches missing', {}, { a: { $nin: [1] } }, true],
    ['$nin with null does not match missing', {}, { a: { $nin: [null] } }, false],
    ['null inside a path over documents', { a: [{ b: 1 }, {}] }, { 'a.b': null }, true],
    ['null inside a path over scalars', { a: [1, 2] }, { 'a.b': null }, false],
    ['null below a scalar', { a: 1 }, { 'a.b': null }, true],
    ['null below an empty array', { a: [] }, { 'a.b': null }, false],
    ['null does not match an empty array', { a: [] }, { a: null }, false],
    ['null matches an element', { a: [1, null] }, { a: null }, true],
    ['$type null does not match missing', {}, { a: { $type: 'null' } }, false],
    ['$not $gt matches missing', {}, { a: { $not: { $gt: 1 } } }, true],
  ],
  'numbers across types': [
    ['decimal stored, int asked', { a: decimal('5') }, { a: 5 }, true],
    ['int stored, decimal asked', { a: 5 }, { a: decimal('5') }, true],
    ['decimals of different scale', { a: decimal('5.0') }, { a: decimal('5.00') }, true],
    ['decimal 9.99 is not the double 9.99', { a: decimal('9.99') }, { a: 9.99 }, false],
    ['decimal order is not text order', { a: decimal('10') }, { a: { $gt: decimal('9') } }, true],
    ['decimal against number', { a: decimal('10') }, { a: { $gt: 9 } }, true],
    ['long order is not text order', { a: long('10') }, { a: { $gt: long('9') } }, true],
    ['long equals number', { a: long('7') }, { a: 7 }, true],
    ['$in of numbers finds a decimal', { a: decimal('3') }, { a: { $in: [1, 3] } }, true],
    ['longs beyond 2^53 stay apart', { a: long('9007199254740993') }, { a: 9007199254740992 }, false],
    [
      'long beyond 2^53 is above the double',
      { a: long('9007199254740993') },
      { a: { $gt: 9007199254740992 } },
      true,
    ],
    ['NaN equals NaN', { a: Number.NaN }, { a: Number.NaN }, true],
    ['nothing is below NaN', { a: 1 }, { a: { $lt: Number.NaN } }, false],
    ['NaN is not below a number', { a: Number.NaN }, { a: { $lt: 1 } }, false],
    ['$gte NaN matches NaN', { a: Number.NaN }, { a: { $gte: Number.NaN } }, true],
    ['-0 equals 0', { a: -0 }, { a: 0 }, true],
    ['$mod of a negative number', { a: -5 }, { a: { $mod: [4, -1] } }, true],
    ['$mod truncates the value', { a: 5.9 }, { a: { $mod: [5, 0] } }, true],
    ['$mod of a long', { a: long('9007199254740993') }, { a: { $mod: [10, 3] } }, true],
    ['$mod of infinity', { a: Infinity }, { a: { $mod: [2, 0] } }, false],
  ],
  types: [
    ['$type objectId', { a: first }, { a: { $type: 'objectId' } }, true],
    ['$type by number', { a: first }, { a: { $type: 7 } }, true],
    ['$type decimal', { a: decimal('1') }, { a: { $type: 'decimal' } }, true],
    ['$type binData of a UUID', { a: new UUID(uuid) }, { a: { $type: 'binData' } }, true],
    ['$type of an element', { a: [1, 'x'] }, { a: { $type: 'string' } }, true],
    ['$type array', { a: [1] }, { a: { $type: 'array' } }, true],
    ['$type number', { a: long('1') }, { a: { $type: 'number' } }, true],
    ['$type list', { a: 'x' }, { a: { $type: ['bool', 'string'] } }, true],
    ['a string is not in a range of numbers', { a: '5' }, { a: { $gt: 1 } }, false],
    ['a date is not in a range of numbers', { a: new Date(5) }, { a: { $gt: 1 } }, false],
    ['dates in a range', { a: new Date(5) }, { a: { $gt: new Date(4), $lt: new Date(6) } }, true],
    [
      'timestamps in order',
      { a: new Timestamp({ t: 10, i: 1 }) },
      { a: { $gt: new Timestamp({ t: 9, i: 9 }) } },
      true,
    ],
    ['above MinKey is everything', { a: 'x' }, { a: { $gt: new MinKey() } }, true],
    ['below MaxKey is everything', { a: 'x' }, { a: { $lt: new MaxKey() } }, true],
    ['object ids by value', { a: first }, { a: copyOf(first) }, true],
    ['object ids in order', { a: second }, { a: { $gt: first } }, true],
    ['$in of object ids', { a: second }, { a: { $in: [first, copyOf(second)] } }, true],
    ['object id in an array', { a: [first, second] }, { a: copyOf(second) }, true],
    ['UUIDs by value', { a: new UUID(uuid) }, { a: new UUID(uuid) }, true],
    [
      'binary of another subtype',
      { a: new Binary(Buffer.from('x'), 0) },
      { a: new Binary(Buffer.from('x'), 5) },
      false,
    ],
    ['true is not 1', { a: true }, { a: 1 }, false],
    ['inherited fields do not exist', {}, { constructor: { $exists: true } }, false],
    ['__proto__ is missing', {}, { ['__proto__.x']: { $exists: true } }, false],
  ],
  arrays: [
    ['an element', { a: [1, 2] }, { a: 2 }, true],
    ['the whole array', { a: [1, 2] }, { a: [1, 2] }, true],
    ['the whole array in another order', { a: [2, 1] }, { a: [1, 2] }, false],
    ['an array as element', { a: [[1, 2]] }, { a: [1, 2] }, true],
    ['elements of an array in an array', { a: [[1, 2]] }, { a: 2 }, false],
    ['a path through documents', { a: [{ b: 1 }, { b: 2 }] }, { 'a.b': 2 }, true],
    ['a path through nested arrays', { a: [[{ b: 1 }]] }, { 'a.b': 1 }, false],
    ['bounds met by different elements', { a: [1, 10] }, { a: { $gt: 5, $lt: 3 } }, true],
    ['$elemMatch wants one element', { a: [1, 10] }, { a: { $elemMatch: { $gt: 5, $lt: 8 } } }, false],
    [
      '$elemMatch on documents',
      {
        a: [
          { k: 1, v: 2 },
          { k: 2, v: 1 },
        ],
      },
      { a: { $elemMatch: { k: 2, v: 2 } } },
      false,
    ],
    ['$elemMatch on a scalar', { a: 7 }, { a: { $elemMatch: { $gt: 5 } } }, false],
    ['$elemMatch does not expand an element', { a: [[1, 2]] }, { a: { $elemMatch: { $eq: 1 } } }, false],
    ['$elemMatch with $or', { a: [{ k: 1 }] }, { a: { $elemMatch: { $or: [{ k: 1 }, { k: 2 }] } } }, true],
    ['$elemMatch with $not', { a: [1] }, { a: { $elemMatch: { $not: { $gt: 5 } } } }, true],
    [
      '$elemMatch inside $elemMatch',
      { a: [[1, 2]] },
      { a: { $elemMatch: { $elemMatch: { $gt: 1 } } } },
      true,
    ],
    ['an index in the path', { a: [5, 6] }, { 'a.0': 5 }, true],
    ['an index is not another index', { a: [5, 6] }, { 'a.1': 5 }, false],
    ['an index before a field', { a: [{ b: 1 }, { b: 2 }] }, { 'a.1.b': 2 }, true],
    ['an array named by index is not expanded', { a: [[5, 6]] }, { 'a.0': 5 }, false],
    ['an array named by index as a whole', { a: [[5, 6]] }, { 'a.0': [5, 6] }, true],
    ['two indexes', { a: [[5, 6]] }, { 'a.0.1': 6 }, true],
    ['a numeric field of a document', { a: { 0: 5 } }, { 'a.0': 5 }, true],
    ['$ne wants no such element', { a: [1, 2] }, { a: { $ne: 1 } }, false],
    ['$ne on a path wants no such element', { a: [{ b: 1 }, { b: 2 }] }, { 'a.b': { $ne: 1 } }, false],
    ['$all on a scalar', { a: 5 }, { a: { $all: [5] } }, true],
    ['$all in any order', { a: [1, 2, 3] }, { a: { $all: [3, 1] } }, true],
    ['$all misses one', { a: [1, 2] }, { a: { $all: [1, 5] } }, false],
    ['$all of nothing', { a: [] }, { a: { $all: [] } }, false],
    [
      '$all with $elemMatch',
      { a: [{ k: 1 }, { k: 2 }] },
      { a: { $all: [{ $elemMatch: { k: 1 } }, { $elemMatch: { k: 2 } }] } },
      true,
    ],
    ['$size', { a: [1] }, { a: { $size: 1 } }, true],
    ['$size on a scalar', { a: 1 }, { a: { $size: 1 } }, false],
    ['$size does not look into elements', { a: [[1, 2]] }, { a: { $size: 2 } }, false],
    ['arrays in order', { a: [1, 9] }, { a: { $gt: [1, 5] } }, true],
    ['arrays are not sorted first', { a: [2, 1] }, { a: { $gt: [1, 9] } }, true],
    ['$in with an array', { a: [1, 2] }, { a: { $in: [[1, 2]] } }, true],
  ],
  documents: [
    ['key order matters', { a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 } }, false],
    ['the same key order', { a: { x: 1, y: 2 } }, { a: { x: 1, y: 2 } }, true],
    ['documents in order', { a: { x: 2 } }, { a: { $gt: { x: 1 } } }, true],
    ['an empty document', { a: {} }, { a: {} }, true],
    ['an empty filter', { a: 1 }, {}, true],
    ['$comment is ignored', { a: 1 }, { a: 1, $comment: 'x' }, true],
  ],
  text: [
    ['a regex on elements', { a: ['foo', 'bar'] }, { a: /^ba/ }, true],
    ['$in with a regex', { a: 'foo' }, { a: { $in: [/^f/] } }, true],
    ['$nin with a regex', { a: 'foo' }, { a: { $nin: [/^f/] } }, false],
    ['$regex with options', { a: 'FOO' }, { a: { $regex: '^f', $options: 'i' } }, true],
    ['inline options', { a: 'FOO' }, { a: { $regex: '(?i)^f' } }, true],
    ['a driver regex', { a: 'FOO' }, { a: new BSONRegExp('^f', 'i') }, true],
    ['a regex equals a stored regex', { a: /x/i }, { a: /x/i }, true],
    ['a regex does not find numbers', { a: 5 }, { a: /5/ }, false],
    ['$not with a regex', { a: 'foo' }, { a: { $not: /^f/ } }, false],
    ['x option', { a: 'ab' }, { a: { $regex: 'a b # comment', $options: 'x' } }, true],
    ['s option', { a: 'a\nb' }, { a: { $regex: 'a.b', $options: 's' } }, true],
    ['a dot stops at a newline only', { a: 'a\u2028b' }, { a: { $regex: 'a.b' } }, true],
    ['$ accepts a final newline', { a: 'a\n' }, { a: { $regex: 'a$' } }, true],
    ['escaped punctuation', { a: '+49-1' }, { a: { $regex: '^\\+49\\-1' } }, true],
    ['\\s is ASCII', { a: 'a\u00a0b' }, { a: { $regex: 'a\\sb' } }, false],
    ['a dot is one character beyond U+FFFF', { a: '😀' }, { a: { $regex: '^.$' } }, true],
  ],
  'logic and bits': [
    ['$and', { a: 1, b: 2 }, { $and: [{ a: 1 }, { b: 2 }] }, true],
    ['$or', { a: 1 }, { $or: [{ a: 2 }, { a: 1 }] }, true],
    ['$nor', { a: 1 }, { $nor: [{ a: 2 }, { b: 1 }] }, true],
    ['$bitsAllSet', { a: 7 }, { a: { $bitsAllSet: [0, 1] } }, true],
    ['$bitsAnyClear', { a: 7 }, { a: { $bitsAnyClear: 8 } }, true],
    ['$bitsAllClear of a negative number', { a: -1 }, { a: { $bitsAllClear: [40] } }, false],
    ['bits of a fraction', { a: 1.5 }, { a: { $bitsAllSet: [0] } }, false],
    ['$expr compares across types', { a: 1, b: 'x' }, { $expr: { $lt: ['$a', '$b'] } }, true],
    ['$expr above null', { a: 1 }, { $expr: { $gt: ['$a', null] } }, true],
    ['$expr: missing is below null', {}, { $expr: { $lt: ['$a', null] } }, true],
    ['$expr: missing is not null', {}, { $expr: { $eq: ['$a', null] } }, false],
  ],
};

for (const [title, rows] of Object.entries(tables)) {
  describe(`filters: ${title}`, () => {
    it.each(rows)('%s', (_name, document, filter, expected) => {
      expect(compileFilter(filter)(document)).toBe(expected);
    });
  });
}

describe('filters that are refused', () => {
  const codes: [name: string, filter: Document, code: number][] = [
    ['unknown top level operator', { $foo: 1 }, 2],
    ['unknown operator', { a: { $foo: 1 } }, 2],
    ['operator and field mixed', { a: { $gt: 1, x: 1 } }, 2],
    ['$where', { $where: 'true' }, 115],
    ['$text', { $text: { $search: 'x' } }, 115],
    ['$jsonSchema', { $jsonSchema: {} }, 115],
    ['geo', { a: { $near: [1, 2] } }, 115],
    ['empty $and', { $and: [] }, 2],
    ['$in without a list', { a: { $in: 1 } }, 2],
    ['operators inside $in', { a: { $in: [{ $gt: 1 }] } }, 2],
    ['$ne with a regex', { a: { $ne: /x/ } }, 2],
    ['$gt with a regex', { a: { $gt: /x/ } }, 2],
    ['empty $not', { a: { $not: {} } }, 2],
    ['$options alone', { a: { $options: 'i' } }, 2],
    ['$size of a fraction', { a: { $size: 1.5 } }, 9],
    ['$mod by zero', { a: { $mod: [0, 1] } }, 2],
    ['unknown $type', { a: { $type: 'text' } }, 2],
    ['unreadable regex', { a: { $regex: '(' } }, 51091],
    ['regex syntax that JavaScript lacks', { a: { $regex: '\\Aabc' } }, 51091],
    ['unknown regex option', { a: { $regex: 'a', $options: 'g' } }, 51108],
    ['$expr inside $elemMatch', { a: { $elemMatch: { $expr: true } } }, 2],
    ['unknown expression', { $expr: { $foo: 1 } }, 168],
    ['undefined variable', { $expr: { $eq: ['$$x', 1] } }, 17276],
  ];
  it.each(codes)('%s', (_name, filter, code) => {
    expect(() => compileFilter(filter)).toThrow(CommandError);
    expect(() => compileFilter(filter)).toThrow(expect.objectContaining({ code }));
  });
});

describe('$expr with let', () => {
  it('reads variables', () => {
    const matches = compileFilter({ $expr: { $eq: ['$a', '$$wanted'] } }, { let: { wanted: 3 } });
    expect([matches({ a: 3 }), matches({ a: 4 })]).toEqual([true, false]);
  });
});
