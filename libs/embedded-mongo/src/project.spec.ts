import { describe, expect, it } from 'vitest';
import type { Document } from './bson-types.js';
import { compileProjection } from './project.js';

const stored: Document = {
  _id: 1,
  a: { x: 1, y: 2 },
  list: [1, 2, 3, 4],
  docs: [{ k: 1, v: 'a' }, 7, { k: 2, v: 'b' }],
  z: 9,
};

type Row = [name: string, spec: Document, result: Document, filter?: Document];
const rows: Row[] = [
  ['nothing asked', {}, stored],
  ['inclusion', { z: 1 }, { _id: 1, z: 9 }],
  ['inclusion without _id', { z: 1, _id: 0 }, { z: 9 }],
  ['only _id', { _id: 1 }, { _id: 1 }],
  ['all but _id', { _id: 0 }, { a: stored['a'], list: stored['list'], docs: stored['docs'], z: 9 }],
  ['exclusion', { list: 0, docs: false, a: 0 }, { _id: 1, z: 9 }],
  ['a path', { 'a.x': 1 }, { _id: 1, a: { x: 1 } }],
  ['a nested specification', { a: { x: 1 } }, { _id: 1, a: { x: 1 } }],
  ['a path through an array drops scalars', { 'docs.k': 1 }, { _id: 1, docs: [{ k: 1 }, { k: 2 }] }],
  [
    'exclusion through an array keeps scalars',
    { 'docs.k': 0, list: 0, a: 0 },
    { _id: 1, docs: [{ v: 'a' }, 7, { v: 'b' }], z: 9 },
  ],
  ['a field that is not there', { q: 1 }, { _id: 1 }],
  ['a path below a scalar', { 'z.q': 1 }, { _id: 1 }],
  ['$slice keeps the rest', { list: { $slice: 2 }, docs: 0, a: 0 }, { _id: 1, list: [1, 2], z: 9 }],
  ['$slice from the end', { list: { $slice: -1 }, z: 1 }, { _id: 1, list: [4], z: 9 }],
  ['$slice with skip', { list: { $slice: [1, 2] }, z: 1 }, { _id: 1, list: [2, 3], z: 9 }],
  ['$slice with skip from the end', { list: { $slice: [-3, 2] }, z: 1 }, { _id: 1, list: [2, 3], z: 9 }],
  ['$elemMatch', { docs: { $elemMatch: { k: 2 } } }, { _id: 1, docs: [{ k: 2, v: 'b' }] }],
  ['$elemMatch on scalars', { list: { $elemMatch: { $gt: 2 } } }, { _id: 1, list: [3] }],
  ['$elemMatch without a match', { docs: { $elemMatch: { k: 9 } }, z: 1 }, { _id: 1, z: 9 }],
  ['positional', { 'docs.$': 1 }, { _id: 1, docs: [{ k: 2, v: 'b' }] }, { 'docs.k': 2 }],
  ['an expression', { n: { $size: '$list' } }, { _id: 1, n: 4 }],
  ['a path as value', { n: '$a.x', z: 1 }, { _id: 1, z: 9, n: 1 }],
];

describe('projections', () => {
  it.each(rows)('%s', (_name, spec, result, filter) => {
    const before = JSON.stringify(stored);
    expect(compileProjection(spec, filter)(stored)).toEqual(result);
    expect(JSON.stringify(stored)).toBe(before);
  });

  it('keeps the key order of the document', () => {
    expect(Object.keys(compileProjection({ z: 1, a: 1 })(stored))).toEqual(['_id', 'a', 'z']);
  });

  const refused: [name: string, spec: Document, code: number][] = [
    ['inclusion and exclusion', { a: 1, z: 0 }, 31254],
    ['exclusion and inclusion', { a: 0, z: 1 }, 31253],
    ['colliding paths', { a: 1, 'a.x': 1 }, 31249],
    ['$meta', { s: { $meta: 'textScore' } }, 115],
    ['nested $elemMatch', { 'a.b': { $elemMatch: { x: 1 } } }, 31255],
    ['an unknown expression', { a: { $foo: 1 } }, 168],
    ['$slice of nothing', { list: { $slice: [1, 0] } }, 28724],
  ];
  it.each(refused)('refuses %s', (_name, spec, code) => {
    expect(() => compileProjection(spec)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses a positional projection that no condition explains', () => {
    const project = compileProjection({ 'docs.$': 1 }, { z: 9 });
    expect(() => project(stored)).toThrow(expect.objectContaining({ code: 51246 }));
  });
});
