import { describe, expect, it } from 'vitest';
import { ALL_EVENTS, eventDefinition } from './all-events.js';
import { EventMeta, defineEvent } from './event.js';
import { CATEGORIES } from './names.js';
import { z } from 'zod';

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('events', () => {
  it('has no two of the same type', () => {
    const types = ALL_EVENTS.map((event) => event.type);
    expect([...new Set(types)]).toEqual(types);
    expect(types.length).toBeGreaterThan(30);
  });

  it('names types in words run together, such as ContactDeleted', () => {
    expect(ALL_EVENTS.map((event) => event.type).filter((type) => !/^([A-Z][a-z]+){2,}$/.test(type))).toEqual(
      [],
    );
  });

  it('has events in every category but the clock, which has none yet', () => {
    const used = new Set(ALL_EVENTS.map((event) => event.category));
    expect(CATEGORIES.filter((category) => !used.has(category))).toEqual(['clock']);
  });

  it('finds a definition by its type, and none for a type of a later release', () => {
    for (const event of ALL_EVENTS) expect(eventDefinition(event.type)).toBe(event);
    expect(eventDefinition('ContactTeleported')).toBeUndefined();
  });

  it.each(ALL_EVENTS.map((event) => [event.type, event] as const))(
    '%s: its example survives JSON unchanged',
    (_type, event) => {
      const stored = throughJson(event.example);
      expect(stored).toEqual(event.example);
      expect(event.schema.parse(stored)).toEqual(event.example);
    },
  );

  it.each(ALL_EVENTS.map((event) => [event.type, event] as const))(
    '%s: is read without its personal values, as after an erasure',
    (_type, event) => {
      const shape = Object.keys((event.schema as z.ZodObject).shape);
      expect(event.personal.filter((name) => !shape.includes(name))).toEqual([]);
      const { example, personal } = event;
      const left = Object.entries(example as object).filter(([name]) => !personal.includes(name));
      const shredded = event.schema.parse(Object.fromEntries(left)) as object;
      expect(personal.filter((name) => name in shredded)).toEqual([]);
    },
  );

  it('cannot have an event whose example does not fit', () => {
    const declare = (): unknown =>
      defineEvent('contact', 'Odd', z.object({ n: z.number() }), { example: { n: 'x' as never } });
    expect(declare).toThrow(/expected number/);
  });
});

describe('metadata of events', () => {
  const meta = {
    account: '01890a5d-ac96-774b-bcce-b302099a8057',
    actor: { kind: 'api_key', id: '01890a5d-ac96-774b-bcce-b302099a8058' },
    source: { kind: 'import', import: '01890a5d-ac96-774b-bcce-b302099a8059', row: 7 },
    command: '01890a5d-ac96-774b-bcce-b302099a805a',
    correlation: '01890a5d-ac96-774b-bcce-b302099a805b',
    at: '2026-01-02T03:04:05.678Z',
    schemaVersion: 1,
  };

  it('survives JSON', () => {
    expect(EventMeta.parse(throughJson(meta))).toEqual(meta);
  });

  it('has no place for anything else', () => {
    expect(EventMeta.parse({ ...meta, phone: '+15555550100' })).toEqual(meta);
  });

  it('asks for a moment in UTC with milliseconds, so that text order is time order', () => {
    for (const at of ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.678+01:00', '2026-01-02']) {
      expect(EventMeta.safeParse({ ...meta, at }).success).toBe(false);
    }
  });
});
