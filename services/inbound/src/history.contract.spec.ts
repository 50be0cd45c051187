import type { EndpointEvent, InboundEvent, KeywordEvent } from '@muster/contracts/inbound';
import type { Fact, NewEvent } from '@muster/event-store/facts';
import { golden } from '@muster/event-store/test-history';
import { describe, expect, it } from 'vitest';
import * as endpoint from './domain/endpoint.js';
import * as inbound from './domain/inbound.js';
import * as keyword from './domain/keyword.js';

function folded<S, E extends NewEvent>(
  facts: readonly Fact<E>[],
  initial: S,
  evolve: (state: S, event: E) => S,
): S {
  return facts.reduce((state, fact) => evolve(state, fact as unknown as E), initial);
}

describe('the golden history of endpoints', () => {
  it('folds to one that was removed, without its credentials', async () => {
    const facts = await golden<EndpointEvent>('endpoint');
    const before: endpoint.EndpointState = {
      life: 'live',
      endpointId: '01990a5d-ac00-7000-8000-000000000500',
      provider: 'twilio',
      senders: ['+15555550199'],
      wrappedCredentials: 'AAAA',
    };
    expect(folded(facts.slice(0, 1), endpoint.NO_ENDPOINT, endpoint.evolve)).toEqual(before);
    expect(folded(facts, endpoint.NO_ENDPOINT, endpoint.evolve)).toEqual({
      ...before,
      life: 'removed',
      wrappedCredentials: '',
    });
  });
});

describe('the golden history of keywords', () => {
  it('folds to one that was switched off and removed', async () => {
    const facts = await golden<KeywordEvent>('keyword');
    const added: keyword.KeywordState = {
      life: 'live',
      keywordId: '01990a5d-ac00-7000-8000-000000000600',
      word: 'join',
      endpointId: '01990a5d-ac00-7000-8000-000000000500',
      groups: ['01990a5d-ac00-7000-8000-000000000201'],
      response: 'Welcome!',
      active: true,
    };
    expect(folded(facts.slice(0, 1), keyword.NO_KEYWORD, keyword.evolve)).toEqual(added);
    const off = { ...added, response: undefined, active: false };
    expect(folded(facts.slice(0, 2), keyword.NO_KEYWORD, keyword.evolve)).toEqual(off);
    expect(folded(facts, keyword.NO_KEYWORD, keyword.evolve)).toEqual({ ...off, life: 'removed' });
  });
});

describe('the golden history of messages', () => {
  it('folds to a STOP that is done', async () => {
    const facts = await golden<InboundEvent>('inbound');
    expect(folded(facts, inbound.NOT_RECEIVED, inbound.evolve)).toEqual({
      received: facts[0]?.data,
      classification: { as: 'stop', word: 'stop' },
      done: { contactId: null, contactCreated: false, reply: 'opted_out', position: 2304 },
    });
  });

  it('folds to a keyword that is done', async () => {
    const facts = await golden<InboundEvent>('inbound', 1);
    const state = folded(facts, inbound.NOT_RECEIVED, inbound.evolve);
    expect(state.received).toMatchObject({
      from: '+15555550101',
      text: 'Join',
      saidAt: '2026-11-22T09:10:59.000Z',
    });
    expect(state.classification?.keywordId).toBe('01990a5d-ac00-7000-8000-000000000600');
    expect(state.done).toMatchObject({ contactCreated: true, reply: 'keyword' });
  });

  it('reads the same words today', async () => {
    for (const nth of [0, 1]) {
      const [received, classified] = await golden<InboundEvent>('inbound', nth);
      const state = folded([received as Fact<InboundEvent>], inbound.NOT_RECEIVED, inbound.evolve);
      const join = { keywordId: '01990a5d-ac00-7000-8000-000000000600', word: 'join' };
      expect(inbound.classify(state, [join]).map((event) => event.data)).toEqual([classified?.data]);
    }
  });
});
