import { Refusal } from '@muster/contracts/errors';
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

async function textOf(answer: { pages?: AsyncIterable<string> }): Promise<string> {
  let text = '';
  for await (const page of answer.pages ?? []) text += page;
  return text;
}

describe('a stream of pages', () => {
  it('gives every item of every page as a line', async () => {
    expect(await textOf(await ndjson(pages(3).pull))).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n');
  });

  it('passes on pages that are lines already', async () => {
    const answer = await ndjson(async (after) => {
      return after === undefined ? { lines: '1\n2\n', next: 'more' } : { lines: '3\n', next: null };
    });
    expect(await textOf(answer)).toBe('1\n2\n3\n');
  });

  it('is empty for no items', async () => {
    expect(await textOf(await ndjson(async () => ({ items: [], next: null })))).toBe('');
  });

  it('pulls a page when it is asked for and no earlier', async () => {
    const source = pages(1000);
    const { pages: texts } = await ndjson(source.pull);
    const reader = (texts as AsyncIterable<string>)[Symbol.asyncIterator]();
    for (let taken = 1; taken <= 5; taken += 1) {
      await reader.next();
      await new Promise((resolve) => setImmediate(resolve));
      expect(source.asked()).toBe(taken);
    }
  });

  it('refuses before the answer begins when the first page is refused', async () => {
    const refused = ndjson(async () => {
      throw new Refusal('audience:not_found');
    });
    await expect(refused).rejects.toMatchObject({ code: 'audience:not_found' });
  });

  it('breaks off when a later page fails', async () => {
    const answer = await ndjson(async (after) => {
      if (after !== undefined) throw new Refusal('audience:lagging');
      return { items: [1], next: 'more' };
    });
    await expect(textOf(answer)).rejects.toMatchObject({ code: 'audience:lagging' });
  });
});
