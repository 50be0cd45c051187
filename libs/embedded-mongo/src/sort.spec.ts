import { Binary, Decimal128, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'bson';
import { describe, expect, it } from 'vitest';
import { compileSort, sortDocuments } from './sort.js';

/** In ascending order. Source: mongodb.com/docs/manual/reference/bson-type-comparison-order. */
const inOrder: unknown[] = [
  new MinKey(),
  [],
  null,
  Number.NaN,
  -1,
  Decimal128.fromString('1.5'),
  [9, 20],
  Long.fromString('9007199254740993'),
  'a',
  { a: 1 },
  new Binary(Buffer.from('x')),
  new ObjectId('000000000000000000000001'),
  false,
  true,
  new Date(0),
  new Timestamp({ t: 1, i: 1 }),
  /x/,
  new MaxKey(),
];
const documents = inOrder.map((v, _id) => ({ _id, v }));
const ids = (list: readonly { _id?: unknown }[]): unknown[] => list.map(({ _id }) => _id);

describe('sorts', () => {
  it('put values of all types in order', () => {
    expect(ids(sortDocuments(documents.toReversed(), { v: 1 }))).toEqual(ids(documents));
    expect(ids(documents.toReversed().sort(compileSort({ v: 1 })))).toEqual(ids(documents));
  });

  it('take the largest element when descending', () => {
    const list = [
      { _id: 1, a: [1, 9] },
      { _id: 2, a: 5 },
      { _id: 3, a: 10 },
    ];
    expect(ids(sortDocuments(list, { a: -1 }))).toEqual([3, 1, 2]);
    expect(ids(sortDocuments(list, { a: 1 }))).toEqual([1, 2, 3]);
  });

  it('count a missing field in an array as null', () => {
    const list = [
      { _id: 1, a: [{ b: 5 }, {}] },
      { _id: 2, a: [{ b: 1 }] },
    ];
    expect(ids(sortDocuments(list, { 'a.b': 1 }))).toEqual([1, 2]);
    expect(ids(sortDocuments(list, { 'a.b': -1 }))).toEqual([1, 2]);
  });

  it('keep equal documents as they came and go on to the next field', () => {
    const list = [
      { _id: 1, a: 1, b: 2 },
      { _id: 2, a: 1, b: 1 },
      { _id: 3, a: 1, b: 2 },
    ];
    expect(ids(sortDocuments(list, { a: 1 }))).toEqual([1, 2, 3]);
    expect(ids(sortDocuments(list, { a: 1, b: -1 }))).toEqual([1, 3, 2]);
  });

  it('refuse other directions', () => {
    expect(() => compileSort({ a: 2 })).toThrow(expect.objectContaining({ code: 15975 }));
    expect(() => compileSort({ a: 'asc' })).toThrow(expect.objectContaining({ code: 15975 }));
    expect(() => compileSort({ a: { $meta: 'textScore' } })).toThrow(expect.objectContaining({ code: 115 }));
  });
});
