import { readFileSync } from 'node:fs';
import { categoryPrefix, type Category } from '@muster/contracts/names';
import { decodeFacts, type Fact, type NewEvent, type RawFact } from './facts.js';

interface History {
  streams: { stream: string; events: (Omit<RawFact, 'stream' | 'at'> & { at: string })[] }[];
}

const released = new URL('../../contracts/history/v0.1.0.json', import.meta.url);

/** Events of the nth stream of a category in the golden history, decoded as the store's are. For tests of what folds them. */
export async function golden<E extends NewEvent>(category: Category, nth = 0): Promise<Fact<E>[]> {
  const { streams } = JSON.parse(readFileSync(released, 'utf8')) as History;
  const found = streams.filter((one) => one.stream.startsWith(categoryPrefix(category)))[nth];
  if (!found) throw new Error(`the golden history has no stream ${nth} of ${category}`);
  const { stream, events } = found;
  const raws = events.map((event) => ({ ...event, stream, at: new Date(event.at) }));
  return (await decodeFacts(raws, null)) as Fact<E>[];
}
