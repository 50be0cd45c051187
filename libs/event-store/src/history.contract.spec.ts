import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { ALL_EVENTS, eventDefinition } from '@muster/contracts/all-events';
import {
  DEFAULT_POLICY,
  evolveAccount,
  type AccountEvent,
  type AccountState,
} from '@muster/contracts/account';
import { parseStreamName } from '@muster/contracts/names';
import { describe, expect, it } from 'vitest';
import { Undecodable, decodeFacts, encodeData, type RawFact } from './facts.js';

interface StoredEvent extends Omit<RawFact, 'stream' | 'at'> {
  at: string;
}
interface History {
  release: string;
  streams: { stream: string; events: StoredEvent[] }[];
}

const folder = new URL('../../contracts/history/', import.meta.url);
const histories = readdirSync(folder).map(
  (name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as History,
);

const rawsOf = (history: History): RawFact[] =>
  history.streams.flatMap(({ stream, events }) =>
    events.map((event) => ({ ...event, stream, at: new Date(event.at) })),
  );
const all = histories.flatMap(rawsOf);

describe.each(histories.map((history) => [history.release, history] as const))(
  'the golden history of release %s',
  (_release, history) => {
    it('has streams that are ours, each numbered from 0, in one order of positions', () => {
      for (const { stream, events } of history.streams) {
        expect(parseStreamName(stream)).not.toBeNull();
        expect(events.map((event) => event.revision)).toEqual(events.map((_event, index) => index));
      }
      const positions = rawsOf(history).map((raw) => raw.position);
      expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
    });

    it('is decoded by this release, every event in its category', async () => {
      for (const fact of await decodeFacts(rawsOf(history), null)) {
        expect(fact.shredded).toBe(false);
        expect(eventDefinition(fact.type)?.category).toBe(fact.category);
      }
    });

    it('loses no property on the way', async () => {
      const raws = rawsOf(history).filter(
        (raw) => versionOf(raw) === eventDefinition(raw.type)?.schemaVersion,
      );
      const facts = await decodeFacts(raws, null);
      expect(facts.map((fact) => fact.data)).toEqual(raws.map((raw) => raw.data));
    });

    it('is decoded without its personal values when their keys are destroyed', async () => {
      const sealed = rawsOf(history).map(seal);
      for (const [index, fact] of (await decodeFacts(sealed, null)).entries()) {
        const { personal } = eventDefinition(fact.type) ?? { personal: [] };
        const stored = (sealed[index] as RawFact).data as object;
        expect(fact.shredded).toBe('sealed' in stored);
        expect(personal.filter((name) => name in fact.data)).toEqual([]);
      }
      expect(JSON.stringify(sealed)).not.toMatch(/\+1555555010|ann@example|Paper form at|Form in folder/i);
    });
  },
);

describe('the golden histories together', () => {
  it('have every event type that this release appends, in its present shape', () => {
    const known = new Set(all.map((raw) => `${raw.type} ${versionOf(raw)}`));
    const missing = ALL_EVENTS.map((event) => `${event.type} ${event.schemaVersion}`).filter(
      (type) => !known.has(type),
    );
    expect(missing).toEqual([]);
  });

  it('have every personal property, so that sealing it is tried', () => {
    const absent = ALL_EVENTS.flatMap((event) =>
      event.personal
        .filter((name) => !all.some((raw) => raw.type === event.type && name in (raw.data as object)))
        .map((name) => `${event.type}.${name}`),
    );
    expect(absent).toEqual([]);
  });

  it('fold to the account as it was left', async () => {
    const raws = rawsOf(histories[0] as History).filter((raw) => raw.stream.startsWith('account-'));
    const facts = await decodeFacts(raws, null);
    const state = facts.reduce<AccountState | null>(
      (folded, fact) => evolveAccount(folded, fact as unknown as AccountEvent, fact.meta.at),
      null,
    );
    expect(state).toEqual({
      id: '01990a5d-ac00-7000-8000-000000000001',
      name: 'Example Society',
      timeZone: 'Europe/Paris',
      defaultCountry: 'FR',
      publicUrl: 'https://texts.example.org',
      policy: { ...DEFAULT_POLICY, requireEvidence: true, locked: ['delete'] },
      createdAt: '2026-11-22T09:00:01.000Z',
      apiKeys: {
        '01990a5d-ac00-7000-8000-000000000020': {
          keyId: '01990a5d-ac00-7000-8000-000000000020',
          name: 'First key',
          role: 'owner',
          secretHash: '4d'.repeat(32),
          issuedAt: '2026-11-22T09:00:02.000Z',
        },
      },
    });
  });
});

describe('an event that does not fit', () => {
  const [first] = all as [RawFact];

  it('is named by its type and place, and never by its content', async () => {
    const odd = { ...first, data: { ...(first.data as object), name: 7 } };
    const reading = decodeFacts([odd], null);
    await expect(reading).rejects.toThrow(Undecodable);
    await expect(reading).rejects.toThrow(/^AccountOpened at 128 cannot be read: name invalid_type$/);
  });

  it('of a later release passes as it is', async () => {
    const later = { ...first, type: 'AccountTeleported', data: { to: 'elsewhere' } };
    expect((await decodeFacts([later], null))[0]?.data).toEqual({ to: 'elsewhere' });
  });
});

function versionOf(raw: RawFact): number {
  return (raw.metadata as { schemaVersion: number }).schemaVersion;
}

/** The event as it lies in the store: personal values under a key that nobody has. */
function seal(raw: RawFact): RawFact {
  const secret = randomBytes(32);
  const { data } = encodeData(
    raw.stream,
    { type: raw.type, data: raw.data as object },
    { id: 'gone.0', secret },
  );
  return { ...raw, data };
}
