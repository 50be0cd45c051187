import { Refusal } from '@muster/contracts/errors';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { ndjson, type Page } from './ndjson.js';

/** Pages of one number each, up to `last`; counts how often it was asked. */
function pages(last: number): { pull: (after?: string) => Promise<Page>; asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    pull: async (after) => {
      asked += 1;
      const n = after === undefined ? 0 : Number(after) + 1;
      return { items: [{ n }], next: n < last ? String(n) : null };
    },
  };
}

describe('a stream of pages', () => {
  it('gives every item of every page as a line', async () => {
    const { stream } = await ndjson(pages(3).pull);
    expect(await text(stream as Readable)).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n');
  });

  it('is empty for no items', async () => {
    const { stream } = await ndjson(async () => ({ items: [], next: null }));
    expect(await text(stream as Readable)).toBe('');
  });

  it('pulls no further ahead than two pages when nobody reads on', async () => {
    const source = pages(1000);
    const { stream } = await ndjson(source.pull);
    const reader = (stream as Readable)[Symbol.asyncIterator]();
    await reader.next();
    await sleep(50);
    expect(source.asked()).toBeLessThanOrEqual(4);
    (stream as Readable).destroy();
  });

  it('refuses before the answer begins when the first page is refused', async () => {
    const refused = ndjson(async () => {
      throw new Refusal('audience:not_found');
    });
    await expect(refused).rejects.toMatchObject({ code: 'audience:not_found' });
  });

  it('breaks off when a later page fails', async () => {
    const { stream } = await ndjson(async (after) => {
      if (after !== undefined) throw new Refusal('audience:lagging');
      return { items: [1], next: 'more' };
    });
    await expect(text(stream as Readable)).rejects.toMatchObject({ code: 'audience:lagging' });
  });
});
