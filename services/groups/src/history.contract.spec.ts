import { readFileSync } from 'node:fs';
import type { GroupEvent } from '@muster/contracts/group';
import { categoryPrefix, type Category } from '@muster/contracts/names';
import { decodeFacts, type Fact, type NewEvent, type RawFact } from '@muster/event-store/facts';
import { describe, expect, it } from 'vitest';
import { NO_GROUP, evolve, type GroupState } from './domain/group.js';

interface History {
  streams: { stream: string; events: (Omit<RawFact, 'stream' | 'at'> & { at: string })[] }[];
}

const history = JSON.parse(
  readFileSync(new URL('../../../libs/contracts/history/v0.1.0.json', import.meta.url), 'utf8'),
) as History;

/** Events of the nth stream of a category, decoded as the store's are. */
async function golden<E extends NewEvent>(category: Category, nth = 0): Promise<Fact<E>[]> {
  const found = history.streams.filter((one) => one.stream.startsWith(categoryPrefix(category)))[nth];
  if (!found) throw new Error(`the golden history has no stream ${nth} of ${category}`);
  const { stream, events } = found;
  const raws = events.map((event) => ({ ...event, stream, at: new Date(event.at) }));
  return (await decodeFacts(raws, null)) as Fact<E>[];
}

const fold = (state: GroupState, fact: Fact<GroupEvent>): GroupState =>
  evolve(state, fact as unknown as GroupEvent, { at: fact.meta.at });

describe('the golden history of groups', () => {
  it('folds to a dynamic group that was renamed, changed and deleted', async () => {
    const facts = await golden<GroupEvent>('group');
    const before: GroupState = {
      groupId: '01990a5d-ac00-7000-8000-000000000200',
      life: 'live',
      name: 'Gold and VIP',
      kind: 'dynamic',
      rule: 'plan in ("gold", "vip")',
      categories: [],
      createdAt: facts[0]?.meta.at ?? '',
    };
    expect(facts.slice(0, -1).reduce(fold, NO_GROUP)).toEqual(before);
    expect(facts.reduce(fold, NO_GROUP)).toEqual({ ...before, life: 'deleted' });
  });

  it('folds to a standard group', async () => {
    const facts = await golden<GroupEvent>('group', 1);
    expect(facts.reduce(fold, NO_GROUP)).toEqual({
      groupId: '01990a5d-ac00-7000-8000-000000000201',
      life: 'live',
      name: 'Members',
      kind: 'standard',
      rule: null,
      categories: [],
      createdAt: facts[0]?.meta.at,
    });
  });
});
