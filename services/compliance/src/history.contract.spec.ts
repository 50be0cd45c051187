import type { ConsentEvent } from '@muster/contracts/consent';
import type { Fact } from '@muster/event-store/facts';
import { golden } from '@muster/event-store/test-history';
import { describe, expect, it } from 'vitest';
import { NOTHING_SAID, evolve, standingOf, type ConsentState } from './domain/consent.js';

const fold = (state: ConsentState, fact: Fact<ConsentEvent>): ConsentState =>
  evolve(state, fact as unknown as ConsentEvent);

describe('the golden history of consent', () => {
  it('folds to the latest statement of each class', async () => {
    const facts = await golden<ConsentEvent>('consent');
    const person = { initiative: 'person' as const };
    expect(facts.reduce(fold, NOTHING_SAID)).toEqual({
      kind: 'phone',
      plain: { at: '2026-11-22T09:00:00.000Z', receiptOnly: false, origin: 'api', ...person },
      revocation: {
        at: '2026-11-22T09:15:00.000Z',
        receiptOnly: false,
        origin: 'staff',
        initiative: 'account',
      },
      start: { at: '2026-11-22T09:20:00.000Z', receiptOnly: true, origin: 'keyword', ...person },
      firmRevocation: {
        at: '2026-11-22T09:30:00.000Z',
        receiptOnly: false,
        origin: 'legal',
        initiative: 'account',
      },
      evidenced: {
        at: '2026-11-22T09:25:00.000Z',
        receiptOnly: false,
        origin: 'staff',
        ...person,
        evidence: {
          source: 'Paper form',
          at: '2026-11-22T09:25:00.000Z',
          statement: 'I want texts again.',
        },
      },
    });
  });

  it('says after each event what the event itself says', async () => {
    const facts = await golden<ConsentEvent>('consent');
    let state = NOTHING_SAID;
    const standings = facts.map((fact) => standingOf((state = fold(state, fact))));
    expect(standings).toEqual(['granted', 'revoked', 'granted', 'granted', 'revoked', 'revoked']);
    expect(standings).toEqual(facts.map((fact) => fact.data.standing));
  });

  it('stands the same when the evidence itself was erased', async () => {
    const facts = await golden<ConsentEvent>('consent');
    const erased = facts.map((fact) => {
      const { evidence: _evidence, note: _note, ...data } = fact.data as Record<string, unknown>;
      return { ...fact, data } as unknown as Fact<ConsentEvent>;
    });
    const state = erased.reduce(fold, NOTHING_SAID);
    expect(standingOf(state)).toBe('revoked');
    expect(state.evidenced).toMatchObject({ at: '2026-11-22T09:25:00.000Z', evidence: null });
  });
});
