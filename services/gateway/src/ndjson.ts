import type { Answer } from './route.js';

export interface Page {
  items: readonly unknown[];
  next: string | null;
}

/** A page that is text already: whole lines. */
export interface TextPage {
  lines: string;
  next: string | null;
}

type Pull<P> = (after: string | undefined) => Promise<P>;

/**
 * Pages as lines of JSON, each pulled when the one before has been taken and never earlier: what a page leaves out is
 * decided when it is pulled. The first is pulled before the answer begins, so that a refusal is a problem document; a
 * failure later on breaks the connection, and an answer that is whole ends.
 */
export async function ndjson(pull: Pull<Page | TextPage>): Promise<Answer> {
  const first = await pull(undefined);
  return {
    status: 200,
    pages: texts(first, pull),
    headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
  };
}

async function* texts(first: Page | TextPage, pull: Pull<Page | TextPage>): AsyncGenerator<string> {
  for (let page = first; ; page = await pull(page.next)) {
    yield textOf(page);
    if (page.next === null) return;
  }
}

function textOf(page: Page | TextPage): string {
  return 'lines' in page ? page.lines : page.items.map((item) => `${JSON.stringify(item)}\n`).join('');
}
