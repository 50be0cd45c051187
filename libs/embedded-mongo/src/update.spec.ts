import { Decimal128, Long, ObjectId, Timestamp } from 'bson';
import { describe, expect, it } from 'vitest';
import { typeNameOf, type Document } from './bson-types.js';
import { applyUpdate, seedUpsert, type Update, type UpdateOptions } from './update.js';

const decimal = (text: string): Decimal128 => Decimal128.fromString(text);
const first = new ObjectId('000000000000000000000001');
const second = new ObjectId('000000000000000000000002');
const now = new Date('2026-01-02T03:04:05Z');

/** Documents as text, so that key order and number types count. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && '_bsontype' in inner
      ? `${typeNameOf(inner)}:${String(inner)}`
      : inner,
  );

type Row = [name: string, before: Document, update: Update, after: Document, options?: UpdateOptions];

const rows: Row[] = [
  ['$set', { _id: 1, a: 1 }, { $set: { a: 2 } }, { _id: 1, a: 2 }],
  ['$set makes parents', {}, { $set: { 'a.b.c': 1 } }, { a: { b: { c: 1 } } }],
  ['$set makes a document for a number', {}, { $set: { 'a.0': 1 } }, { a: { 0: 1 } }],
  ['$set in an array', { a: [{ b: 1 }] }, { $set: { 'a.0.b': 2 } }, { a: [{ b: 2 }] }],
  ['$set beyond the end of an array', { a: [1] }, { $set: { 'a.2': 3 } }, { a: [1, null, 3] }],
  ['new fields come in name order', {}, { $set: { c: 1, a: 2 }, $inc: { b: 3 } }, { a: 2, b: 3, c: 1 }],
  ['numeric names in number order', { a: {} }, { $set: { 'a.10': 1, 'a.9': 2 } }, { a: { 9: 2, 10: 1 } }],
  ['existing fields keep their place', { b: 1, a: 1 }, { $set: { a: 2, b: 2 } }, { b: 2, a: 2 }],
  ['$unset', { a: 1, b: 2 }, { $unset: { a: '' } }, { b: 2 }],
  ['$unset of an element', { a: [1, 2] }, { $unset: { 'a.0': 1 } }, { a: [null, 2] }],
  ['$unset of what is not there', { a: 1 }, { $unset: { 'a.b': 1, 'c.d': 1 } }, { a: 1 }],
  ['$inc', { a: 1 }, { $inc: { a: -3 } }, { a: -2 }],
  ['$inc of a missing field', {}, { $inc: { 'a.b': 3 } }, { a: { b: 3 } }],
  ['$inc of a decimal', { a: decimal('1.5') }, { $inc: { a: 1 } }, { a: decimal('2.5') }],
  ['$inc with a decimal', { a: 1 }, { $inc: { a: decimal('0.1') } }, { a: decimal('1.1') }],
  [
    '$inc beyond 2^53',
    { a: Number.MAX_SAFE_INTEGER },
    { $inc: { a: 2 } },
    { a: Long.fromString('9007199254740993') },
  ],
  [
    '$inc of a long',
    { a: Long.fromString('9007199254740993') },
    { $inc: { a: 1 } },
    { a: Long.fromString('9007199254740994') },
  ],
  ['$mul', { a: 3 }, { $mul: { a: 2.5 } }, { a: 7.5 }],
  ['$mul of a missing field', {}, { $mul: { a: 5 } }, { a: 0 }],
  ['$min across types', { a: 'x' }, { $min: { a: 5 } }, { a: 5 }],
  ['$min keeps the smaller', { a: 1 }, { $min: { a: 5 } }, { a: 1 }],
  ['$max across types', { a: 5 }, { $max: { a: 'x' } }, { a: 'x' }],
  ['$max of a missing field', {}, { $max: { a: 5 } }, { a: 5 }],
  ['$rename', { a: 1 }, { $rename: { a: 'b.c' } }, { b: { c: 1 } }],
  ['$rename of what is not there', { b: 1 }, { $rename: { a: 'b' } }, { b: 1 }],
  ['$currentDate', {}, { $currentDate: { a: true } }, { a: now }],
  [
    '$currentDate as timestamp',
    {},
    { $currentDate: { a: { $type: 'timestamp' } } },
    { a: new Timestamp({ t: 1767323045, i: 1 }) },
  ],
  ['$setOnInsert on an update', { a: 1 }, { $setOnInsert: { b: 1 } }, { a: 1 }],
  ['$setOnInsert on an insert', { a: 1 }, { $setOnInsert: { b: 1 } }, { a: 1, b: 1 }, { isInsert: true }],
  ['_id goes to the front', { a: 1 }, { $setOnInsert: { _id: 7 } }, { _id: 7, a: 1 }, { isInsert: true }],
  ['$bit and', { a: 5 }, { $bit: { a: { and: 4 } } }, { a: 4 }],
  [
    '$bit xor of a long',
    { a: Long.fromString('4611686018427387904') },
    { $bit: { a: { xor: 1 } } },
    { a: Long.fromString('4611686018427387905') },
  ],
  ['$push', { a: [1] }, { $push: { a: [2] } }, { a: [1, [2]] }],
  ['$push to a missing field', {}, { $push: { 'a.b': 1 } }, { a: { b: [1] } }],
  ['$push $each $slice 0', { a: [1, 2] }, { $push: { a: { $each: [3], $slice: 0 } } }, { a: [] }],
  ['$push $slice from the end', { a: [1, 2] }, { $push: { a: { $each: [3], $slice: -2 } } }, { a: [2, 3] }],
  ['$push $position', { a: [1, 2] }, { $push: { a: { $each: [9], $position: 0 } } }, { a: [9, 1, 2] }],
  [
    '$push $position from the end',
    { a: [1, 2] },
    { $push: { a: { $each: [9], $position: -1 } } },
    { a: [1, 9, 2] },
  ],
  ['$push $sort', { a: [3, 1] }, { $push: { a: { $each: [2], $sort: -1 } } }, { a: [3, 2, 1] }],
  [
    '$push $sort by field',
    { a: [{ k: 2 }] },
    { $push: { a: { $each: [{ k: 1 }], $sort: { k: 1 } } } },
    { a: [{ k: 1 }, { k: 2 }] },
  ],
  [
    '$addToSet of an object id',
    { a: [first] },
    { $addToSet: { a: new ObjectId(first.toHexString()) } },
    { a: [first] },
  ],
  ['$addToSet $each', { a: [1] }, { $addToSet: { a: { $each: [1, 2, 2] } } }, { a: [1, 2] }],
  [
    '$addToSet minds key order',
    { a: [{ x: 1, y: 2 }] },
    { $addToSet: { a: { y: 2, x: 1 } } },
    {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
  ],
  ['$pop', { a: [1, 2] }, { $pop: { a: 1 } }, { a: [1] }],
  ['$pop from the front', { a: [1, 2] }, { $pop: { a: -1 } }, { a: [2] }],
  ['$pull by condition', { a: [1, 5, 9] }, { $pull: { a: { $gt: 4 } } }, { a: [1] }],
  ['$pull by document', { a: [{ k: 1, v: 2 }, { k: 2 }] }, { $pull: { a: { k: 1 } } }, { a: [{ k: 2 }] }],
  [
    '$pull by value',
    { a: [first, second] },
    { $pull: { a: new ObjectId(first.toHexString()) } },
    { a: [second] },
  ],
  ['$pull by regex', { a: ['ab', 'cd'] }, { $pull: { a: /^a/ } }, { a: ['cd'] }],
  ['$pull below an array field', { a: [{ b: [1, 2] }] }, { $pull: { 'a.$[].b': 1 } }, { a: [{ b: [2] }] }],
  ['$pullAll', { a: [1, 2, 3, 1] }, { $pullAll: { a: [1, 3] } }, { a: [2] }],
  ['$[]', { a: [1, 2] }, { $inc: { 'a.$[]': 1 } }, { a: [2, 3] }],
  [
    '$[name]',
    { a: [{ k: 1 }, { k: 2 }] },
    { $set: { 'a.$[e].v': 9 } },
    { a: [{ k: 1 }, { k: 2, v: 9 }] },
    { arrayFilters: [{ 'e.k': 2 }] },
  ],
  [
    '$[name] on scalars',
    { a: [1, 5] },
    { $set: { 'a.$[e]': 0 } },
    { a: [1, 0] },
    { arrayFilters: [{ e: { $gt: 4 } }] },
  ],
  ['$', { a: [4, 5, 6] }, { $set: { 'a.$': 0 } }, { a: [4, 0, 6] }, { filter: { a: 5 } }],
  [
    '$ by a field of the element',
    { a: [{ k: 1 }, { k: 2 }] },
    { $set: { 'a.$.v': 1 } },
    { a: [{ k: 1 }, { k: 2, v: 1 }] },
    { filter: { 'a.k': 2 } },
  ],
  [
    '$ by $elemMatch',
    {
      a: [
        { k: 1, n: 1 },
        { k: 1, n: 2 },
      ],
    },
    { $inc: { 'a.$.n': 5 } },
    {
      a: [
        { k: 1, n: 1 },
        { k: 1, n: 7 },
      ],
    },
    { filter: { a: { $elemMatch: { k: 1, n: 2 } } } },
  ],
  ['$ by $in', { a: [4, 5] }, { $set: { 'a.$': 0 } }, { a: [4, 0] }, { filter: { a: { $in: [5, 9] } } }],
  [
    '$ in a nested array',
    { o: { a: [1, 2] } },
    { $set: { 'o.a.$': 0 } },
    { o: { a: [1, 0] } },
    { filter: { 'o.a': 2 } },
  ],
  ['a replacement keeps _id', { _id: 1, a: 1 }, { b: 2 }, { _id: 1, b: 2 }],
  ['a pipeline', { _id: 1, a: 1 }, [{ $set: { b: { $add: ['$a', 1] } } }, { $unset: 'a' }], { _id: 1, b: 2 }],
  ['a pipeline that replaces', { _id: 1, a: { x: 1 } }, [{ $replaceWith: '$a' }], { _id: 1, x: 1 }],
];

describe('updates', () => {
  it.each(rows)('%s', (_name, before, update, after, options) => {
    const untouched = shown(before);
    const result = applyUpdate(before, update, { now, ...options });
    expect(shown(result.doc)).toBe(shown(after));
    expect(result.changed).toBe(untouched !== shown(after));
    expect(shown(before)).toBe(untouched);
  });
});

describe('updates that are refused', () => {
  const codes: [name: string, before: Document, update: Update, code: number, options?: UpdateOptions][] = [
    ['unknown operator', {}, { $foo: { a: 1 } }, 9],
    ['operator and field mixed', {}, { $set: { a: 1 }, b: 2 }, 9],
    ['argument that is no document', {}, { $set: 1 }, 9],
    ['the same path twice', {}, { $set: { a: 1 }, $inc: { a: 1 } }, 40],
    ['a parent and its child', {}, { $set: { a: 1, 'a.b': 2 } }, 40],
    ['a child and its parent', {}, { $set: { 'a.b': 1 }, $unset: { a: 1 } }, 40],
    ['an index and $[]', { a: [1] }, { $set: { 'a.0': 1, 'a.$[]': 2 } }, 40],
    ['$rename onto a path in use', { a: 1 }, { $rename: { a: 'b' }, $set: { b: 1 } }, 40],
    ['a path through a scalar', { a: 1 }, { $set: { 'a.b': 1 } }, 28],
    ['a path through null', { a: null }, { $set: { 'a.b': 1 } }, 28],
    ['a field of an array', { a: [1] }, { $set: { 'a.b': 1 } }, 28],
    ['$inc of a string', { a: 'x' }, { $inc: { a: 1 } }, 14],
    ['$inc of null', { a: null }, { $inc: { a: 1 } }, 14],
    ['$inc by a string', {}, { $inc: { a: '1' } }, 14],
    ['$inc over 64 bits', { a: Long.MAX_VALUE }, { $inc: { a: 1 } }, 2],
    ['$push to a scalar', { a: 1 }, { $push: { a: 1 } }, 2],
    ['$push with an unknown clause', { a: [] }, { $push: { a: { $each: [], $foo: 1 } } }, 2],
    ['$addToSet to a scalar', { a: 1 }, { $addToSet: { a: 1 } }, 2],
    ['$pop by 2', { a: [] }, { $pop: { a: 2 } }, 9],
    ['$pop of a scalar', { a: 1 }, { $pop: { a: 1 } }, 14],
    ['$pull from a scalar', { a: 1 }, { $pull: { a: 1 } }, 2],
    ['$bit of a double', { a: 1.5 }, { $bit: { a: { and: 1 } } }, 2],
    ['changing _id', { _id: 1 }, { $set: { _id: 2 } }, 66],
    ['removing _id', { _id: 1 }, { $unset: { _id: 1 } }, 66],
    ['replacing _id', { _id: 1 }, { _id: 2 }, 66],
    ['an array as _id', {}, { $set: { _id: [1] } }, 53, { isInsert: true }],
    ['an empty path', {}, { $set: { '': 1 } }, 56],
    ['an empty part', {}, { $set: { 'a..b': 1 } }, 56],
    ['a dollar name', {}, { $set: { 'a.$b': 1 } }, 52],
    ['a dollar name in a replacement', { _id: 1 }, { a: 1, $b: 1 }, 52],
    ['$ without a match', { a: [1] }, { $set: { 'a.$': 1 } }, 2, { filter: { b: 1 } }],
    [
      '$ met by different elements',
      {
        a: [
          { x: 1, y: 1 },
          { x: 2, y: 2 },
        ],
      },
      { $set: { 'a.$.z': 1 } },
      115,
      { filter: { 'a.x': 1, 'a.y': 2 } },
    ],
    ['$[] on what is not there', {}, { $set: { 'a.$[]': 1 } }, 2],
    ['$[] on a scalar', { a: 1 }, { $set: { 'a.$[]': 1 } }, 2],
    ['$[name] without a filter', { a: [1] }, { $set: { 'a.$[e]': 1 } }, 2],
    ['an unused array filter', { a: [1] }, { $set: { a: 1 } }, 9, { arrayFilters: [{ e: 1 }] }],
    ['$rename into an array', { a: 1, b: [1] }, { $rename: { a: 'b.0' } }, 2],
    ['a stage that pipelines of updates lack', {}, [{ $match: {} }], 72],
    ['an unknown expression', {}, [{ $set: { a: { $foo: 1 } } }], 168],
  ];
  it.each(codes)('%s', (_name, before, update, code, options) => {
    expect(() => applyUpdate(before, update, options)).toThrow(expect.objectContaining({ code }));
  });
});

describe('prototype pollution', () => {
  it('stores __proto__ as an ordinary field', () => {
    const { doc } = applyUpdate(
      { _id: 1 },
      { $set: { ['__proto__.polluted']: 1, 'constructor.prototype.polluted': 1 } },
    );
    expect(({} as Document)['polluted']).toBeUndefined();
    expect(Object.keys(doc)).toEqual(['_id', '__proto__', 'constructor']);
    expect(Object.getPrototypeOf(doc)).toBe(Object.prototype);
  });

  it('leaves inherited members alone in $rename, $push and $unset', () => {
    const { doc } = applyUpdate(
      { _id: 1 },
      { $push: { toString: 1 }, $unset: { ['__proto__']: 1 }, $rename: { valueOf: 'x' } },
    );
    expect(Object.hasOwn(doc, 'x')).toBe(false);
    expect(doc['toString']).toEqual([1]);
    expect(typeof {}.valueOf).toBe('function');
  });
});

describe('the seed of an upsert', () => {
  const seeds: [name: string, filter: Document, seed: Document][] = [
    ['equalities', { a: 1, 'b.c': { $eq: 2 }, d: { $gt: 1 } }, { a: 1, b: { c: 2 } }],
    ['$and and one branch of $or', { $and: [{ a: 1 }], $or: [{ b: 2 }] }, { a: 1, b: 2 }],
    ['two branches of $or', { $or: [{ a: 1 }, { b: 2 }] }, {}],
    ['$in of one value', { a: { $in: [1] }, b: { $in: [1, 2] } }, { a: 1 }],
    ['null', { a: null }, { a: null }],
    ['regexes and negations', { a: /x/, b: { $ne: 1 }, c: { $not: { $eq: 1 } } }, {}],
    ['_id in front', { a: 1, _id: 5 }, { _id: 5, a: 1 }],
    ['$elemMatch', { a: { $elemMatch: { b: 1 } } }, {}],
  ];
  it.each(seeds)('%s', (_name, filter, seed) => {
    expect(shown(seedUpsert(filter))).toBe(shown(seed));
  });

  it('is _id alone for a replacement', () => {
    expect(seedUpsert({ a: 1, _id: 5 }, { replacement: true })).toEqual({ _id: 5 });
  });

  it('refuses two values for one path', () => {
    expect(() => seedUpsert({ $and: [{ a: 1 }, { a: 2 }] })).toThrow(expect.objectContaining({ code: 54 }));
    expect(() => seedUpsert({ a: { x: 1 }, 'a.x': 1 })).toThrow(expect.objectContaining({ code: 54 }));
  });
});
