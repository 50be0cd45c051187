import { Decimal128, Long, ObjectId } from 'bson';
import { describe, expect, it } from 'vitest';
import { runPipeline } from './aggregate.js';
import type { Document } from './bson-types.js';
import { compileFilter } from './match.js';

const decimal = (text: string): Decimal128 => Decimal128.fromString(text);
const id = new ObjectId('000000000000000000000001');
const sameId = (): ObjectId => new ObjectId(id.toHexString());
const groups: Document[] = [
  { _id: 1, owner: sameId(), name: 'a' },
  { _id: 2, owner: null, name: 'b' },
  { _id: 3, name: 'c', tags: ['x', 'y'] },
];
const collections: Record<string, Document[]> = { groups };
const lookup = (name: string, filter?: Document): Document[] =>
  (collections[name] ?? []).filter(compileFilter(filter ?? {}));
const run = (input: Document[], pipeline: Document[], variables = {}): Document[] =>
  runPipeline(pipeline, input, { lookup, let: variables });
type Row = [name: string, input: Document[], pipeline: Document[], output: Document[]];

const stages: Row[] = [
  ['$match and $expr', [{ a: 1 }, { a: 5 }], [{ $match: { $expr: { $gt: ['$a', 2] } } }], [{ a: 5 }]],
  [
    '$group by object id',
    [
      { g: id, n: 1 },
      { g: sameId(), n: 2 },
    ],
    [{ $group: { _id: '$g', s: { $sum: '$n' } } }],
    [{ _id: id, s: 3 }],
  ],
  [
    '$group joins missing and null',
    [{}, { g: null }],
    [{ $group: { _id: '$g', n: { $sum: 1 } } }],
    [{ _id: null, n: 2 }],
  ],
  [
    '$group joins equal numbers',
    [{ g: 1 }, { g: Long.fromNumber(1) }],
    [{ $group: { _id: '$g', n: { $count: {} } } }],
    [{ _id: 1, n: 2 }],
  ],
  [
    '$group by a document',
    [{ a: 1, b: 2 }],
    [{ $group: { _id: { x: '$a', y: '$c' }, n: { $sum: 1 } } }],
    [{ _id: { x: 1 }, n: 1 }],
  ],
  [
    '$sum of decimals',
    [{ n: decimal('0.1') }, { n: decimal('0.2') }],
    [{ $group: { _id: null, s: { $sum: '$n' } } }],
    [{ _id: null, s: decimal('0.3') }],
  ],
  [
    '$sum of longs',
    [{ n: Long.fromString('9007199254740993') }, { n: 1 }],
    [{ $group: { _id: null, s: { $sum: '$n' } } }],
    [{ _id: null, s: Long.fromString('9007199254740994') }],
  ],
  [
    '$sum skips what is no number',
    [{ n: 1 }, { n: 'x' }, {}],
    [{ $group: { _id: null, s: { $sum: '$n' } } }],
    [{ _id: null, s: 1 }],
  ],
  ['$avg of nothing', [{}], [{ $group: { _id: null, s: { $avg: '$n' } } }], [{ _id: null, s: null }]],
  [
    '$max across types',
    [{ a: 1 }, { a: 'x' }],
    [{ $group: { _id: null, m: { $max: '$a' } } }],
    [{ _id: null, m: 'x' }],
  ],
  [
    '$min skips null',
    [{ a: 5 }, { a: null }, {}],
    [{ $group: { _id: null, m: { $min: '$a' } } }],
    [{ _id: null, m: 5 }],
  ],
  [
    '$push skips missing, $addToSet is distinct',
    [{ a: 1 }, {}, { a: 1 }],
    [{ $group: { _id: null, p: { $push: '$a' }, s: { $addToSet: '$a' } } }],
    [{ _id: null, p: [1, 1], s: [1] }],
  ],
  [
    '$first and $last',
    [{ a: 1 }, { a: 2 }],
    [{ $group: { _id: null, f: { $first: '$a' }, l: { $last: '$a' } } }],
    [{ _id: null, f: 1, l: 2 }],
  ],
  [
    '$sort descending takes the largest element',
    [
      { _id: 1, a: [1, 9] },
      { _id: 2, a: 5 },
    ],
    [{ $sort: { a: -1 } }, { $project: { _id: 1 } }],
    [{ _id: 1 }, { _id: 2 }],
  ],
  [
    '$project puts fields in document order',
    [{ b: 1, _id: 2, a: 3 }],
    [{ $project: { a: 1, b: 1 } }],
    [{ b: 1, _id: 2, a: 3 }],
  ],
  [
    '$project drops',
    [{ _id: 1, a: { b: 1, c: 2 } }],
    [{ $project: { 'a.b': 0 } }],
    [{ _id: 1, a: { c: 2 } }],
  ],
  ['$addFields in a document', [{ a: { x: 1 } }], [{ $addFields: { 'a.y': 2 } }], [{ a: { x: 1, y: 2 } }]],
  [
    '$addFields in an array',
    [{ a: [{ x: 1 }, 5] }],
    [{ $addFields: { 'a.y': 2 } }],
    [{ a: [{ x: 1, y: 2 }, { y: 2 }] }],
  ],
  ['$addFields with $$REMOVE', [{ a: 1, b: 2 }], [{ $addFields: { a: '$$REMOVE' } }], [{ b: 2 }]],
  ['$addFields stores numbers', [{ a: 1 }], [{ $set: { b: 0 } }], [{ a: 1, b: 0 }]],
  ['$unset', [{ a: 1, b: 2 }], [{ $unset: ['a'] }], [{ b: 2 }]],
  ['$unwind', [{ a: [1, 2] }, { a: [] }, {}, { a: 3 }], [{ $unwind: '$a' }], [{ a: 1 }, { a: 2 }, { a: 3 }]],
  [
    '$unwind preserves',
    [{ a: [] }, { a: null }],
    [{ $unwind: { path: '$a', preserveNullAndEmptyArrays: true } }],
    [{}, { a: null }],
  ],
  [
    '$unwind with index',
    [{ a: ['x'] }],
    [{ $unwind: { path: '$a', includeArrayIndex: 'i' } }],
    [{ a: 'x', i: 0 }],
  ],
  ['$count', [{}, {}], [{ $count: 'n' }], [{ n: 2 }]],
  ['$count of nothing', [], [{ $count: 'n' }], []],
  ['$skip and $limit', [{ a: 1 }, { a: 2 }, { a: 3 }], [{ $skip: 1 }, { $limit: 1 }], [{ a: 2 }]],
  ['$replaceRoot', [{ a: { b: 1 } }], [{ $replaceRoot: { newRoot: '$a' } }], [{ b: 1 }]],
  [
    '$sortByCount',
    [{ a: 1 }, { a: 2 }, { a: 2 }],
    [{ $sortByCount: '$a' }],
    [
      { _id: 2, count: 2 },
      { _id: 1, count: 1 },
    ],
  ],
  [
    '$facet',
    [{ a: 1 }, { a: 2 }],
    [{ $facet: { n: [{ $count: 'n' }], top: [{ $sort: { a: -1 } }, { $limit: 1 }] } }],
    [{ n: [{ n: 2 }], top: [{ a: 2 }] }],
  ],
  [
    '$lookup by object id',
    [{ k: id }],
    [
      { $lookup: { from: 'groups', localField: 'k', foreignField: 'owner', as: 'j' } },
      { $project: { n: '$j.name' } },
    ],
    [{ n: ['a'] }],
  ],
  [
    '$lookup of a missing field joins null and missing',
    [{}],
    [
      { $lookup: { from: 'groups', localField: 'k', foreignField: 'owner', as: 'j' } },
      { $project: { n: '$j.name' } },
    ],
    [{ n: ['b', 'c'] }],
  ],
  [
    '$lookup of and by array elements',
    [{ k: ['y', 'z'] }],
    [
      { $lookup: { from: 'groups', localField: 'k', foreignField: 'tags', as: 'j' } },
      { $project: { n: '$j.name' } },
    ],
    [{ n: ['c'] }],
  ],
  [
    '$lookup by pipeline',
    [{ k: 1 }],
    [
      {
        $lookup: {
          from: 'groups',
          let: { k: '$k' },
          pipeline: [{ $match: { $expr: { $gt: ['$_id', '$$k'] } } }, { $project: { _id: 1 } }],
          as: 'j',
        },
      },
    ],
    [{ k: 1, j: [{ _id: 2 }, { _id: 3 }] }],
  ],
  [
    '$lookup by fields and pipeline',
    [{ k: 3 }],
    [
      {
        $lookup: {
          from: 'groups',
          localField: 'k',
          foreignField: '_id',
          pipeline: [{ $project: { name: 1, _id: 0 } }],
          as: 'j',
        },
      },
    ],
    [{ k: 3, j: [{ name: 'c' }] }],
  ],
  [
    '$lookup of an unknown collection',
    [{ k: 3 }],
    [{ $lookup: { from: 'none', localField: 'k', foreignField: '_id', as: 'j' } }],
    [{ k: 3, j: [] }],
  ],
];

describe('aggregation stages', () => {
  it.each(stages)('%s', (_name, input, pipeline, output) => {
    const before = JSON.stringify(input);
    expect(run(input, pipeline)).toEqual(output);
    expect(JSON.stringify(input)).toBe(before);
  });

  it('$project keeps the key order of the document', () => {
    const [result] = run([{ b: 1, _id: 2, a: 3 }], [{ $project: { a: 1, b: 1, c: 'x' } }]);
    expect(Object.keys(result!)).toEqual(['b', '_id', 'a', 'c']);
  });

  it('asks for all keys of a $lookup at once', () => {
    const asked: unknown[] = [];
    runPipeline(
      [{ $lookup: { from: 'groups', localField: 'k', foreignField: '_id', as: 'j' } }],
      [{ k: 1 }, { k: 3 }, { k: 1 }],
      {
        lookup: (name, filter) => {
          asked.push([name, filter]);
          return lookup(name, filter);
        },
      },
    );
    expect(asked).toEqual([['groups', { _id: { $in: [1, 3] } }]]);
  });

  it('reads let variables and a fixed NOW', () => {
    const now = new Date(5);
    expect(run([{}], [{ $project: { a: '$$x', n: '$$NOW' } }], { x: 7, NOW: now })).toEqual([
      { a: 7, n: now },
    ]);
  });
});

describe('aggregations that are refused', () => {
  const codes: [name: string, pipeline: Document[], code: number][] = [
    ['unknown stage', [{ $foo: {} }], 40324],
    ['$out', [{ $out: 'x' }], 40324],
    ['$merge', [{ $merge: 'x' }], 40324],
    ['$function', [{ $project: { a: { $function: {} } } }], 168],
    ['two stages in one', [{ $match: {}, $limit: 1 }], 40323],
    ['unknown expression', [{ $project: { a: { $foo: 1 } } }], 168],
    ['two operators in one', [{ $project: { a: { $add: [1], $abs: 1 } } }], 15983],
    ['unknown variable', [{ $project: { a: '$$x' } }], 17276],
    ['inclusion and exclusion', [{ $project: { a: 1, b: 0 } }], 31254],
    ['colliding paths', [{ $project: { a: 1, 'a.b': 1 } }], 31249],
    ['empty $project', [{ $project: {} }], 51272],
    ['unknown accumulator', [{ $group: { _id: null, a: { $foo: 1 } } }], 15952],
    ['$group without _id', [{ $group: { a: { $sum: 1 } } }], 15955],
    ['$limit of zero', [{ $limit: 0 }], 15958],
    ['$sort by 2', [{ $sort: { a: 2 } }], 15975],
    ['$add of text', [{ $project: { a: { $add: [1, 'x'] } } }], 14],
    ['$divide by zero', [{ $project: { a: { $divide: [1, 0] } } }], 2],
    ['$size of no array', [{ $project: { a: { $size: 1 } } }], 17124],
    ['$toInt of text', [{ $project: { a: { $toInt: 'x' } } }], 241],
    [
      'unknown time zone',
      [{ $project: { a: { $hour: { date: new Date(0), timezone: 'Mars/Base' } } } }],
      40485,
    ],
    ['$where', [{ $match: { $where: 'true' } }], 115],
  ];
  it.each(codes)('%s', (_name, pipeline, code) => {
    expect(() => run([{}], pipeline)).toThrow(expect.objectContaining({ code }));
  });
});
