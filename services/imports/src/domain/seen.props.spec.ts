import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberSet } from './seen.js';

describe('the set of numbers', () => {
  it('knows what a Set knows, near and far and many', () => {
    const number = fc.oneof(
      fc.integer({ min: 1, max: 50 }),
      fc
        .maxSafeInteger()
        .map(Math.abs)
        .filter((n) => n > 0),
    );
    fc.assert(
      fc.property(fc.array(number, { maxLength: 3_000 }), (numbers) => {
        const [ours, theirs] = [new NumberSet(), new Set<number>()];
        for (const value of numbers) {
          expect(ours.add(value)).toBe(!theirs.has(value));
          theirs.add(value);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('stays quick for numbers in a row, as those of a company are', () => {
    const set = new NumberSet();
    for (let n = 0; n < 300_000; n += 1) expect(set.add(972_500_000_000 + n)).toBe(true);
    for (let n = 0; n < 300_000; n += 1) if (set.add(972_500_000_000 + n)) throw new Error(`lost ${n}`);
  });
});
