import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DetailKey, Id, uuid5, uuid7, uuid8Beside, uuid8InOrder } from './ids.js';
import {
  CATEGORIES,
  QUEUES,
  SERVICES,
  categoryPrefix,
  databaseName,
  documentId,
  importJobId,
  parseStreamName,
  streamName,
  subjectName,
  webhookPath,
} from './names.js';

const category = fc.constantFrom(...CATEGORIES);
const account = fc.uuid();
const streamId = fc.oneof(
  fc.uuid(),
  fc.stringMatching(/^[0-9a-f]{64}$/),
  fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/),
);

describe('stream names', () => {
  it('are read back as the parts that they were made of', () => {
    fc.assert(
      fc.property(category, account, fc.option(streamId, { nil: undefined }), (kind, owner, id) => {
        const parts = { category: kind, account: owner, ...(id === undefined ? {} : { id }) };
        expect(parseStreamName(streamName(kind, owner, id))).toEqual(parts);
      }),
    );
  });

  it('are never the same for different parts', () => {
    const parts = fc.tuple(category, account, fc.option(streamId, { nil: undefined }));
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const isSame = JSON.stringify(one) === JSON.stringify(other);
        expect(streamName(...one) === streamName(...other)).toBe(isSame);
      }),
    );
  });

  it('begin with the prefix of their category and of no other', () => {
    fc.assert(
      fc.property(category, account, streamId, (kind, owner, id) => {
        const name = streamName(kind, owner, id);
        expect(CATEGORIES.filter((one) => name.startsWith(categoryPrefix(one)))).toEqual([kind]);
      }),
    );
  });

  it('have categories without a dash, where the store would cut them', () => {
    expect(CATEGORIES.filter((one) => !/^[a-z]+$/.test(one))).toEqual([]);
    expect(new Set(CATEGORIES).size).toBe(CATEGORIES.length);
  });

  it('of others are not read as ours', () => {
    for (const name of ['', '-', 'contact', '$settings', '$ce-contact', 'person-1_2', 'Contact-1_2']) {
      expect(parseStreamName(name)).toBeNull();
    }
    fc.assert(
      fc.property(fc.string(), (name) => {
        const parsed = parseStreamName(name);
        expect(parsed ? streamName(parsed.category, parsed.account, parsed.id) : name).toBe(name);
      }),
    );
  });
});

describe('other names', () => {
  it('are those of the platform', () => {
    expect(subjectName('contacts', 'cmd', 'register-contact')).toBe('contacts.cmd.register-contact');
    expect(SERVICES.map((service) => databaseName(service))).toEqual(SERVICES.map((one) => `muster_${one}`));
    expect(databaseName('keys')).toBe('muster_keys');
    expect(webhookPath('twilio', 'e')).toBe('/v1/webhooks/twilio/e');
    expect(documentId('a', 'b')).toBe('a_b');
  });

  it('of queues and jobs hold no colon, which BullMQ refuses', () => {
    const names = [...Object.values(QUEUES), importJobId(uuid7())];
    expect(names.filter((name) => name.includes(':'))).toEqual([]);
  });
});

describe('ids', () => {
  it('of version 5 follow from their parts alone', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (parts) => {
        const id = uuid5(...parts);
        expect(uuid5(...parts)).toBe(id);
        expect(Id.safeParse(id).success).toBe(true);
        expect(id[14]).toBe('5');
      }),
    );
    expect(uuid5('a', 'b')).not.toBe(uuid5('ab'));
  });

  it('of version 7 sort by the millisecond of their making', () => {
    const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(time, time, (one, other) => {
        const [a, b] = [uuid7(one), uuid7(other)];
        expect(Id.safeParse(a).success).toBe(true);
        expect(one === other || a < b === one < other).toBe(true);
      }),
    );
  });

  it('of version 8 sort by their number among those of one parent', () => {
    const number = fc.integer({ min: 0, max: 2 ** 30 - 1 });
    fc.assert(
      fc.property(fc.string(), number, number, (name, one, other) => {
        const parent = uuid5(name);
        const [a, b] = [uuid8InOrder(parent, one), uuid8InOrder(parent, other)];
        expect(Id.safeParse(a).success).toBe(true);
        expect(uuid8InOrder(parent, one)).toBe(a);
        expect(a < b).toBe(one < other);
        expect(a === b).toBe(one === other);
        expect(uuid8InOrder(uuid5(name, 'other'), one)).not.toBe(a);
      }),
    );
    for (const wrong of [-1, 0.5, 2 ** 30]) {
      expect(() => uuid8InOrder(uuid5('parent'), wrong)).toThrow(RangeError);
    }
  });

  it('that follow from another keep its place, and differ by their parts', () => {
    const number = fc.integer({ min: 0, max: 2 ** 20 });
    fc.assert(
      fc.property(number, number, (one, other) => {
        const parent = uuid5('import');
        const [a, b] = [one, other].map((n) => uuid8Beside(uuid8InOrder(parent, n), 'contact')) as [Id, Id];
        expect(Id.safeParse(a).success).toBe(true);
        expect(a < b).toBe(one < other);
        expect(uuid8Beside(uuid8InOrder(parent, one), 'fence')).not.toBe(a);
      }),
    );
    const many = Array.from({ length: 5_000 }, () => uuid8Beside(uuid7(1), 'contact'));
    expect(new Set(many).size).toBe(5_000);
  });

  it('of details are 64 small hex digits and nothing else', () => {
    expect(DetailKey.safeParse('ab'.repeat(32)).success).toBe(true);
    for (const wrong of ['ab'.repeat(31), 'AB'.repeat(32), `${'ab'.repeat(32)}\n`, '+15555550100']) {
      expect(DetailKey.safeParse(wrong).success).toBe(false);
    }
  });
});
