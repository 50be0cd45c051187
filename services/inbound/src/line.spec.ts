import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Line } from './line.js';

/** Work that ends when it is told to, and notes when it begins. */
function desk(): {
  begun: string[];
  work: (key: string) => () => Promise<string>;
  end: (key: string) => void;
} {
  const begun: string[] = [];
  const waiting = new Map<string, () => void>();
  return {
    begun,
    work: (key) => async () => {
      begun.push(key);
      await new Promise<void>((resolve) => waiting.set(key, resolve));
      return `${key} done`;
    },
    end: (key) => waiting.get(key)?.(),
  };
}

describe('a line', () => {
  it('does so much at once, and the rest in the order it came in', async () => {
    const { begun, work, end } = desk();
    const line = new Line<string>(2, 10);
    const all = ['a', 'b', 'c', 'd'].map((key) => line.join(key, work(key)));
    await sleep(1);
    expect(begun).toEqual(['a', 'b']);
    end('b');
    expect(await all[1]).toBe('b done');
    await sleep(1);
    expect(begun).toEqual(['a', 'b', 'c']);
    for (const key of ['a', 'c', 'd']) {
      end(key);
      await sleep(1);
    }
    expect(await Promise.all(all)).toEqual(['a done', 'b done', 'c done', 'd done']);
  });

  it('does once what several ask for, whether it waits or is under way, and anew what was done before', async () => {
    const { begun, work, end } = desk();
    const line = new Line<string>(1, 10);
    const all = ['a', 'a', 'b', 'b', 'a'].map((key) => line.join(key, work(key)));
    await sleep(1);
    end('a');
    await sleep(1);
    end('b');
    expect(await Promise.all(all)).toEqual(['a done', 'a done', 'b done', 'b done', 'a done']);
    expect(begun).toEqual(['a', 'b']);
    const again = line.join('a', work('a'));
    await sleep(1);
    end('a');
    expect(await again).toBe('a done');
    expect(begun).toEqual(['a', 'b', 'a']);
  });

  it('refuses when too many wait, begins nothing of it, and takes work again when there is room', async () => {
    const { begun, work, end } = desk();
    const line = new Line<string>(1, 1);
    const first = line.join('a', work('a'));
    await sleep(1);
    const second = line.join('b', work('b'));
    await expect(line.join('c', work('c'))).rejects.toMatchObject({ code: 'service:busy' });
    end('a');
    await first;
    await sleep(1);
    const third = line.join('c', work('c'));
    end('b');
    await second;
    await sleep(1);
    end('c');
    expect(await third).toBe('c done');
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('fails for all who share what failed, and forgets it', async () => {
    const line = new Line<string>(1, 1);
    const fail = async (): Promise<string> => {
      await sleep(1);
      throw new Error('on purpose');
    };
    const ended = await Promise.allSettled([line.join('a', fail), line.join('a', fail)]);
    expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await line.join('a', async () => 'fine')).toBe('fine');
  });
});
