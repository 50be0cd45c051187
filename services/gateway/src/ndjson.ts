import { Readable } from 'node:stream';
import type { Answer } from './route.js';

export interface Page {
  items: readonly unknown[];
  next: string | null;
}

/**
 * Pages as lines of JSON, each pulled only when the one before has left. The first is pulled before the answer begins,
 * so that a refusal is a problem document; a failure later on breaks the connection, and an answer that is whole ends.
 */
export async function ndjson(pull: (after: string | undefined) => Promise<Page>): Promise<Answer> {
  const first = await pull(undefined);
  // One chunk in flight: the next page is asked for when this one has been taken.
  const stream = Readable.from(chunks(first, pull), { objectMode: true, highWaterMark: 1 });
  return { status: 200, stream, headers: { 'content-type': 'application/x-ndjson; charset=utf-8' } };
}

async function* chunks(first: Page, pull: (after: string) => Promise<Page>): AsyncGenerator<string> {
  for (let page = first; ; page = await pull(page.next)) {
    if (page.items.length > 0) yield page.items.map((item) => `${JSON.stringify(item)}\n`).join('');
    if (page.next === null) return;
  }
}
