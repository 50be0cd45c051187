import { describe, expect, it } from 'vitest';
import { randomPortion } from './random.js';

describe('randomPortion', () => {
  it('hands no byte out twice, across refills of the stock', () => {
    const seen = new Set<string>();
    for (let n = 0; n < 5_000; n += 1) {
      const portion = randomPortion(12);
      expect(portion).toHaveLength(12);
      seen.add(portion.toString('hex'));
    }
    expect(seen.size).toBe(5_000);
  });

  it('gives portions of their own memory', () => {
    const first = randomPortion(32);
    const copy = Buffer.from(first);
    for (let n = 0; n < 1_000; n += 1) randomPortion(32).fill(7);
    expect(first.equals(copy)).toBe(true);
    expect(first.some((byte) => byte !== 0)).toBe(true);
  });
});
