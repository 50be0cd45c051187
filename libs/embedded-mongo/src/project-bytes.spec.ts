import { calculateObjectSize } from 'bson';
import { describe, expect, it } from 'vitest';
import type { Document } from './bson-types.js';
import { decode, encode } from './document-bytes.js';
import { Dice, randomBody } from './fuzz-documents.js';
import { compileByteProjection } from './project-bytes.js';
import { compileProjection } from './project.js';

const stored: Document = {
  _id: { k: 1, v: 2 },
  a: { x: 1, y: 2, deep: { x: { k: 1 }, z: 3 } },
  text: 'x'.repeat(200),
  list: [1, 2, 3, 4],
  docs: [{ k: 1, v: 'a' }, 7, { k: 2, v: 'b' }, [{ k: 3, v: 'c' }, 8], {}],
  many: Array.from({ length: 120 }, (_, n) => ({ n, k: n })),
  none: null,
  z: 9,
};
const specs: Document[] = [
  { z: 1 },
  { z: true, _id: 0 },
  { _id: 1 },
  { z: 1, a: 1, text: 1 },
  { 'a.x': 1, 'a.deep.x': 1 },
  { 'docs.k': 1, 'list.k': 1, 'none.k': 1, 'z.k': 1 },
  { 'many.n': 1, _id: 0 },
  { '_id.k': 1, q: 1 },
];

describe('projections of bytes', () => {
  it.each(specs)('gives what the projection of a document gives: %j', (spec) => {
    const bytes = compileByteProjection(spec)?.(encode(stored)) as Buffer;
    const expected = compileProjection(spec)(stored);
    expect(decode(bytes)).toEqual(expected);
    expect(bytes.length).toBe(calculateObjectSize(expected));
  });

  it('does so for documents of any shape', () => {
    const dice = new Dice(20);
    const paths = ['a', 'b', 'c', 's', 'n', 'a.x', 'a.y', 'b.y', 'b.x.y', 'c.x.y', 'c.y'];
    for (let round = 0; round < 2_000; round += 1) {
      const document = { _id: round, ...randomBody(dice) };
      const first = dice.pick(paths);
      const others = paths.filter((path) => path[0] !== first[0] && dice.chance(0.3) && !path.includes('.'));
      const spec = Object.fromEntries([first, ...others].map((path) => [path, 1]));
      const bytes = encode(document);
      const expected = encode(compileProjection(spec)(decode(bytes)));
      expect(decode(compileByteProjection(spec)?.(bytes) as Buffer)).toEqual(decode(expected));
    }
  });

  it.each([
    { a: 0 },
    { _id: 0 },
    { 'docs.$': 1 },
    { list: { $slice: 1 } },
    { a: { x: 1 } },
    { n: '$z' },
    { _id: '$z', z: 1 },
  ])('leaves to the others what does more than name fields: %j', (spec) => {
    expect(compileByteProjection(spec)).toBeUndefined();
  });
});
