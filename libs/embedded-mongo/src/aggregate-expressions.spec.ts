import { ObjectId } from 'bson';
import { describe, expect, it } from 'vitest';
import { runPipeline } from './aggregate.js';
import type { Document } from './bson-types.js';

const id = new ObjectId('000000000000000000000001');
const sameId = (): ObjectId => new ObjectId(id.toHexString());

/** The value of one expression over one document. */
const value = (expression: unknown, document: Document = {}): unknown =>
  runPipeline([{ $project: { _id: 0, r: expression } }], [document], { lookup: () => [] })[0]?.['r'];
// oxlint-disable-next-line unicorn/no-thenable -- the field name is MongoDB's; nothing awaits this document
const branch = (test: unknown, result: unknown): Document => ({ case: test, then: result });

const date = new Date('2024-02-29T23:30:15.123Z');
const expressions: [name: string, expression: unknown, result: unknown, document?: Document][] = [
  ['comparison with null', { $cond: [{ $gt: ['$a', null] }, 'y', 'n'] }, 'y', { a: 1 }],
  ['comparison across types', { $lt: [5, 'a'] }, true],
  [
    'comparison of arrays',
    {
      $gt: [
        [2, 1],
        [1, 9],
      ],
    },
    true,
  ],
  ['a path through arrays', '$a.b', [1, 2], { a: [{ b: 1 }, 5, { c: 1 }, { b: 2 }] }],
  ['$ifNull', { $ifNull: ['$a', '$b', 3] }, 3],
  ['$switch', { $switch: { branches: [branch({ $eq: [1, 2] }, 'a')], default: 'b' } }, 'b'],
  ['$let', { $let: { vars: { x: 2 }, in: { $multiply: ['$$x', 3] } } }, 6],
  [
    '$let does not leak',
    { $add: [{ $let: { vars: { x: 2 }, in: '$$x' } }, { $let: { vars: { x: 3 }, in: '$$x' } }] },
    5,
  ],
  [
    '$map and $reduce',
    {
      $reduce: {
        input: { $map: { input: '$a', in: { $multiply: ['$$this', 2] } } },
        initialValue: 0,
        in: { $add: ['$$value', '$$this'] },
      },
    },
    6,
    { a: [1, 2] },
  ],
  ['$filter', { $filter: { input: '$a', as: 'x', cond: { $gte: ['$$x', 2] } } }, [2, 3], { a: [1, 2, 3] }],
  ['$in by value', { $in: [sameId(), '$a'] }, true, { a: [id] }],
  ['$setUnion by value', { $size: { $setUnion: [[id], [sameId()]] } }, 1],
  ['$setDifference', { $setDifference: [[1, 2, 2], [1]] }, [2]],
  ['$add of a date', { $add: [new Date(5), 10] }, new Date(15)],
  ['$subtract of dates', { $subtract: [new Date(15), new Date(5)] }, 10],
  ['$add of null', { $add: [1, null] }, null],
  [
    '$round half to even',
    { $map: { input: [0.5, 1.5, 2.5, -1.5], in: { $round: ['$$this'] } } },
    [0, 2, 2, -2],
  ],
  ['$round at a place', { $round: [1.005, 2] }, 1],
  ['$trunc', { $trunc: [-7.89, 1] }, -7.8],
  ['$mod', { $mod: [-7, 3] }, -1],
  ['$divide', { $divide: [7, 2] }, 3.5],
  ['$concat with missing', { $concat: ['a', '$x'] }, null],
  ['$toUpper is ASCII', { $toUpper: 'aé' }, 'Aé'],
  ['$substrCP', { $substrCP: ['a😀b', 1, 1] }, '😀'],
  ['$strLenCP', { $strLenCP: '😀' }, 1],
  ['$split', { $split: ['a,b', ','] }, ['a', 'b']],
  ['$trim', { $trim: { input: '  a ' } }, 'a'],
  ['$trim of nothing but space', { $trim: { input: '  ' } }, ''],
  ['$regexMatch', { $regexMatch: { input: 'FOO', regex: '^f', options: 'i' } }, true],
  ['$replaceAll', { $replaceAll: { input: 'a.a', find: 'a', replacement: { $literal: '$&' } } }, '$&.$&'],
  ['$arrayElemAt', { $arrayElemAt: [[1, 2, 3], -1] }, 3],
  ['$slice', { $slice: [[1, 2, 3], 1, 1] }, [2]],
  ['$range', { $range: [0, 5, 2] }, [0, 2, 4]],
  ['$indexOfArray', { $indexOfArray: [[1, 2], 2] }, 1],
  ['$objectToArray', { $objectToArray: { a: 1 } }, [{ k: 'a', v: 1 }]],
  ['$arrayToObject', { $arrayToObject: [[['a', 1]]] }, { a: 1 }],
  ['$mergeObjects', { $mergeObjects: [{ a: 1 }, null, { a: 2 }] }, { a: 2 }],
  ['$getField', { $getField: { field: 'a.b', input: { $literal: { 'a.b': 1 } } } }, 1],
  ['$type of missing', { $type: '$x' }, 'missing'],
  ['$toObjectId', { $toObjectId: '000000000000000000000001' }, id],
  ['$toString of an object id', { $toString: id }, id.toHexString()],
  ['$toInt', { $toInt: '42' }, 42],
  ['$toDate', { $toDate: '2024-01-02T00:00:00Z' }, new Date('2024-01-02T00:00:00Z')],
  ['$max of an array', { $max: '$a' }, 3, { a: [1, 3, null] }],
  ['$literal', { $literal: '$a' }, '$a'],
  [
    '$dateToString',
    { $dateToString: { date, format: '%Y-%m-%d %H:%M:%S.%L %j %u' } },
    '2024-02-29 23:30:15.123 060 4',
  ],
  [
    '$dateToString in a zone',
    { $dateToString: { date, format: '%Y-%m-%d %H:%M%z', timezone: 'Europe/Berlin' } },
    '2024-03-01 00:30+0100',
  ],
  ['$dateToString without date', { $dateToString: { date: '$x', onNull: 'none' } }, 'none'],
  ['$hour in a zone', { $hour: { date, timezone: '+05:30' } }, 5],
  ['$isoWeekYear', { $isoWeekYear: new Date('2027-01-01T00:00:00Z') }, 2026],
  ['$isoWeek', { $isoWeek: new Date('2027-01-01T00:00:00Z') }, 53],
  ['$week before the first Sunday', { $week: new Date('2024-01-06T00:00:00Z') }, 0],
  [
    '$dateTrunc to a day in a zone',
    { $dateTrunc: { date, unit: 'day', timezone: 'America/New_York' } },
    new Date('2024-02-29T05:00:00Z'),
  ],
  [
    '$dateTrunc to a week',
    { $dateTrunc: { date, unit: 'week', startOfWeek: 'monday' } },
    new Date('2024-02-26T00:00:00Z'),
  ],
  ['$dateTrunc to a quarter', { $dateTrunc: { date, unit: 'quarter' } }, new Date('2024-01-01T00:00:00Z')],
  [
    '$dateAdd of a month ends with the month',
    { $dateAdd: { startDate: new Date('2024-01-31T00:00:00Z'), unit: 'month', amount: 1 } },
    new Date('2024-02-29T00:00:00Z'),
  ],
  [
    '$dateAdd of a day over a clock change',
    {
      $dateAdd: {
        startDate: new Date('2024-03-30T12:00:00Z'),
        unit: 'day',
        amount: 1,
        timezone: 'Europe/Berlin',
      },
    },
    new Date('2024-03-31T11:00:00Z'),
  ],
  [
    '$dateDiff in days',
    {
      $dateDiff: {
        startDate: new Date('2024-01-01T23:59:00Z'),
        endDate: new Date('2024-01-02T00:01:00Z'),
        unit: 'day',
      },
    },
    1,
  ],
  [
    '$dateDiff in months',
    {
      $dateDiff: {
        startDate: new Date('2023-12-31T00:00:00Z'),
        endDate: new Date('2024-02-01T00:00:00Z'),
        unit: 'month',
      },
    },
    2,
  ],
];

describe('aggregation expressions', () => {
  it.each(expressions)('%s', (_name, expression, result, document) => {
    expect(value(expression, document)).toEqual(result);
  });

  it('does not read inherited members', () => {
    expect(value('$constructor.name')).toBeUndefined();
    expect(value('$__proto__.toString')).toBeUndefined();
  });
});
