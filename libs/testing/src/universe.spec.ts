import { describe, expect, it } from 'vitest';
import { fixedClock, idNumber, universe } from './universe.js';

describe('a fixed clock', () => {
  it('stands still until it is moved', () => {
    const clock = fixedClock('2026-03-29T00:30:00.000Z');
    expect([clock.iso(), clock.iso()]).toEqual(['2026-03-29T00:30:00.000Z', '2026-03-29T00:30:00.000Z']);
    clock.advance({ days: 1, hours: 1, minutes: 1, seconds: 1, ms: 1 });
    expect(clock.date()).toEqual(new Date('2026-03-30T01:31:01.001Z'));
  });
  it('can be set back', () => {
    const clock = fixedClock();
    clock.set('2020-02-29T00:00:00.000Z');
    expect(clock.now()).toBe(Date.UTC(2020, 1, 29));
  });
  it('refuses what is no instant', () => expect(() => fixedClock('soon')).toThrow('soon'));
});

describe('a universe', () => {
  it('hands out numbered ids', () => {
    const { id } = universe();
    expect([id(), id()]).toEqual([idNumber(1), idNumber(2)]);
    expect(idNumber(255)).toBe('00000000-0000-4000-8000-0000000000ff');
  });
  it('runs alike for the same seed and otherwise not', () => {
    const draws = (seed: number): number[] =>
      Array.from({ length: 8 }, universe({ seed }).random.bind(null, 1000));
    expect(draws(7)).toEqual(draws(7));
    expect(draws(7)).not.toEqual(draws(8));
    expect(Math.max(...draws(7))).toBeLessThan(1000);
  });
});
