import type { GroupEvent } from '@muster/contracts/group';
import type { Fact } from '@muster/event-store/facts';
import { golden } from '@muster/event-store/test-history';
import { describe, expect, it } from 'vitest';
import { NO_GROUP, evolve, type GroupState } from './domain/group.js';

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
