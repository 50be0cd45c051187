import * as fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { canonical } from './canonical.js';

function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner)]),
  );
}
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('the canonical text of a request', () => {
  it('does not depend on the order of properties', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonical(turned(value)) === canonical(value)));
  });
  it('is the same for equal requests and for no others', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.jsonValue(),
        (a, b) => (canonical(a) === canonical(b)) === isDeepStrictEqual(plain(a), plain(b)),
      ),
    );
  });
  it('loses nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => isDeepStrictEqual(JSON.parse(canonical(value)), plain(value))),
    );
  });
  it('keeps the order of lists', () => {
    expect(canonical([1, 2])).not.toBe(canonical([2, 1]));
  });
  it('takes an absent property for none', () => {
    expect(canonical({ a: undefined })).toBe(canonical({}));
  });
});
