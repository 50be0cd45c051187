import { readFileSync } from 'node:fs';
import type { ConsentEvent } from '@muster/contracts/consent';
import { categoryPrefix, type Category } from '@muster/contracts/names';
import { decodeFacts, type Fact, type NewEvent, type RawFact } from '@muster/event-store/facts';
import { describe, expect, it } from 'vitest';
import { NOTHING_SAID, evolve, standingOf, type ConsentState } from './domain/consent.js';

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
