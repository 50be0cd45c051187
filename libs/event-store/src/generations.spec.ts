import { describe, expect, it } from 'vitest';
import { Generations } from './generations.js';

describe('generations', () => {
  it('keep the last entries and forget those long before', () => {
    const map = new Generations<number>(3);
    for (let n = 0; n < 10; n += 1) map.set(`${n}`, n);
    expect([0, 1, 2, 3, 4, 5].map((n) => map.get(`${n}`))).toEqual(Array(6).fill(undefined));
    expect([7, 8, 9].map((n) => map.get(`${n}`))).toEqual([7, 8, 9]);
  });

  it('answer with what was set last, and keep what is set again', () => {
    const map = new Generations<number>(2);
    for (const [value, key] of ['a', 'b', 'c', 'a', 'd', 'a', 'e'].entries()) map.set(key, value);
    expect(map.get('a')).toBe(5);
    map.set('d', 7);
    map.set('e', 8);
    expect([map.get('d'), map.get('e')]).toEqual([7, 8]);
  });

  it('delete from every generation', () => {
    const map = new Generations<number>(2);
    for (const [value, key] of ['a', 'b', 'a', 'c', 'a'].entries()) map.set(key, value);
    map.delete('a');
    expect(map.get('a')).toBeUndefined();
    expect(map.get('c')).toBe(3);
  });
});
