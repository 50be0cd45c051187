import type { Fact } from '@muster/event-store/facts';
import { evaluate } from '@muster/rule/evaluate';
import { readPrintedRule } from '@muster/rule/parse';
import { idNumber } from '@muster/testing/universe';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccountBatch, type AccountChanges } from './account.batch.js';
import { makeCatalogue, maySettle, withoutPending } from './account.state.js';
import { answerOf } from './audience.answer.js';
import type { GroupDocument, LogDocument, MemberDocument, StandingDocument } from './audience.model.js';
import { AccountBitmaps, primaryOf } from './bitmaps.js';

const ACCOUNT = idNumber(900);
const CONTACTS = [idNumber(1), idNumber(2), idNumber(3)];
const KEYS = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
const [CLUB, HAIFA, BOTH] = [idNumber(101), idNumber(102), idNumber(103)] as [string, string, string];
const RULES: Readonly<Record<string, readonly string[]>> = {
  [HAIFA]: ['city = "haifa"', 'not city = "haifa"', 'status = "active"', '"acre"'],
  [BOTH]: [`group = "${CLUB}"`, `group = "${HAIFA}"`, `group = "${CLUB}" and not group = "${HAIFA}"`],
};
const SLICE = 2;

/** One step of a history, before it has a place in it. */
type Step = Pick<Fact, 'category' | 'streamId' | 'type' | 'data'>;

const contact = fc.constantFrom(...CONTACTS);
const key = fc.constantFrom(...KEYS);
const at = fc.integer({ min: 1, max: 9 }).map((day) => `2026-01-0${day}T00:00:00.000Z`);
const city = fc.constantFrom('haifa', 'acre', null);

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record({ id: contact, key, basis: fc.boolean() })
      .map(({ id, key: phone, basis }): Step => ({
        category: 'contact',
        streamId: id,
        type: 'ContactRegistered',
        data: {
          contactId: id,
          details: [{ kind: 'phone', key: phone, primary: true }],
          ...(basis ? { basis: { source: 'form', at: '2026-01-01T00:00:00.000Z' } } : {}),
          fields: { city: 'haifa' },
        },
      })),
  },
  {
    weight: 4,
    arbitrary: fc.record({ key, yes: fc.boolean(), at }).map(({ key: detailKey, yes, at: saidAt }): Step => ({
      category: 'consent',
      streamId: detailKey,
      type: yes ? 'ConsentGranted' : 'ConsentRevoked',
      data: { detailKey, kind: 'phone', saidAt, standing: yes ? 'granted' : 'revoked' },
    })),
  },
  {
    weight: 4,
    arbitrary: fc.record({ id: contact, city }).map((one): Step => ({
      category: 'contact',
      streamId: one.id,
      type: 'ContactFieldsChanged',
      data: { fields: { city: one.city } },
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({ id: contact, key, primary: fc.boolean(), add: fc.boolean() })
      .map(({ id, key: phone, primary, add }): Step => ({
        category: 'contact',
        streamId: id,
        type: add ? 'DetailAdded' : 'DetailReleased',
        data: { kind: 'phone', key: phone, ...(add ? { primary } : {}) },
      })),
  },
  {
    weight: 1,
    arbitrary: contact.map((id): Step => ({
      category: 'contact',
      streamId: id,
      type: 'ContactDeleted',
      data: { details: [] },
    })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ ids: fc.subarray(CONTACTS, { minLength: 1 }), add: fc.boolean() })
      .map(({ ids, add }): Step => ({
        category: 'membership',
        streamId: CLUB,
        type: add ? 'MembersAdded' : 'MembersRemoved',
        data: { contactIds: ids },
      })),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(HAIFA, BOTH).chain((id) =>
      fc
        .record({ rule: fc.constantFrom(...(RULES[id] as string[])), change: fc.boolean() })
        .map(({ rule, change }): Step => ({
          category: 'group',
          streamId: id,
          type: change ? 'GroupRuleChanged' : 'GroupCreated',
          data: change ? { rule } : { groupId: id, name: id, kind: 'dynamic', rule, categories: [] },
        })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(CLUB, HAIFA, BOTH)
      .map((id): Step => ({ category: 'group', streamId: id, type: 'GroupDeleted', data: {} })),
  },
);

const CLUB_CREATED: Step = {
  category: 'group',
  streamId: CLUB,
  type: 'GroupCreated',
  data: { groupId: CLUB, name: 'Club', kind: 'standard', categories: [] },
};

/** Gives steps their places. A group is created once; contacts keep the details that no other step gave them twice. */
function history(list: readonly Step[]): Fact[] {
  const created = new Set<string>();
  const kept = [CLUB_CREATED, ...list].filter((step) => {
    if (step.type !== 'GroupCreated') return true;
    if (created.has(step.streamId)) return false;
    created.add(step.streamId);
    return true;
  });
  return kept.map((step, index) => ({
    ...step,
    id: idNumber(5_000 + index),
    stream: `${step.category}-${ACCOUNT}_${step.streamId}`,
    account: ACCOUNT,
    meta: {
      account: ACCOUNT,
      actor: { kind: 'system', id: 'test' },
      source: { kind: 'api' },
      command: idNumber(7_000 + index),
      correlation: idNumber(7_000 + index),
      at: '2026-02-01T00:00:00.000Z',
      schemaVersion: 1,
    },
    revision: index,
    position: (index + 1) * 10,
    at: '2026-02-01T00:00:00.000Z',
    shredded: false,
  }));
}

/** The collections of one account, written in the order in which the loop writes, and cut off where a crash would. */
class Collections {
  readonly members = new Map<string, MemberDocument>();
  readonly standings = new Map<string, StandingDocument>();
  readonly log = new Map<string, LogDocument>();
  readonly groups = new Map<string, GroupDocument>();
  checkpoint = 0;

  start(): { catalogue: ReturnType<typeof makeCatalogue>; nextOrdinal: number; peppers: Buffer[] } {
    const fields = { _id: ACCOUNT, position: -1, fields: [] };
    const ordinals = [...this.members.values()].map((member) => member.ordinal);
    return {
      catalogue: makeCatalogue([...this.groups.values()], fields),
      nextOrdinal: Math.max(-1, ...ordinals) + 1,
      peppers: [Buffer.alloc(32, 1)],
    };
  }

  /** Applies what a batch came to; `writes` is how many single writes happen before the process ends. */
  write(changes: AccountChanges, writes: number): boolean {
    const born = changes.members.filter(({ before }) => before === null);
    born.sort((a, b) => a.after.ordinal - b.after.ordinal);
    const known = changes.members.filter(({ before }) => before !== null);
    const all = [
      ...changes.log.map((entry) => () => this.log.has(entry._id) || this.log.set(entry._id, entry)),
      ...[...born, ...known].map(
        ({ after }) =>
          () =>
            this.members.set(after.contactId, after),
      ),
      ...changes.standings.map((standing) => () => this.standings.set(standing.key, standing)),
      ...changes.groups.map((group) => () => this.groups.set(group.groupId, group)),
    ];
    all.slice(0, writes).forEach((write) => write());
    return writes >= all.length;
  }

  /** Evaluates the next members that are pending; answers whether there was anything to do. */
  slice(writes: number): boolean {
    const start = this.start();
    const { pending } = start.catalogue;
    const newest = pending.at(-1);
    if (!newest || !maySettle(start.catalogue, this.checkpoint)) return false;
    const due = [...this.members.values()]
      .filter((member) => !member.deleted && member.position < newest.cause.position)
      .sort((a, b) => a.ordinal - b.ordinal)
      .slice(0, SLICE);
    const batch = new AccountBatch(start, { members: due, standings: [] });
    for (const member of due) batch.settle(member.contactId);
    const done = due.length < SLICE ? withoutPending(start.catalogue, pending).changed : [];
    this.write({ ...batch.changes(), groups: done }, writes);
    return true;
  }

  batch(facts: readonly Fact[], size: number, writes: number): void {
    const part = facts.filter((fact) => fact.position > this.checkpoint).slice(0, size);
    const loaded = { members: [...this.members.values()], standings: [...this.standings.values()] };
    const batch = new AccountBatch(this.start(), loaded);
    for (const fact of part) batch.fold(fact);
    if (this.write(batch.changes(), writes)) this.checkpoint = part.at(-1)?.position ?? this.checkpoint;
  }

  /** Everything to its end, without a crash. */
  finish(facts: readonly Fact[]): this {
    while (this.checkpoint < (facts.at(-1)?.position ?? 0)) this.batch(facts, 100, Infinity);
    while (this.slice(Infinity));
    return this;
  }

  contents(): object {
    const sorted = (map: ReadonlyMap<string, object>): object =>
      [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      members: sorted(this.members),
      standings: sorted(this.standings),
      log: sorted(this.log),
      groups: sorted(this.groups),
    };
  }
}

interface Act {
  kind: 'batch' | 'slice';
  size: number;
  writes: number;
}
const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('batch' as const, 'slice' as const),
    size: fc.integer({ min: 1, max: 6 }),
    writes: fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 8 })),
  }),
  { maxLength: 40, size: 'max' },
);
const histories = fc.array(steps, { maxLength: 60, size: 'max' }).map(history);

/** One event at a time, and every pending rule at once: what the others are held against. */
function stepByStep(facts: readonly Fact[]): Collections {
  const model = new Collections();
  for (const _ of facts) {
    model.batch(facts, 1, Infinity);
    while (model.slice(Infinity));
  }
  return model;
}

describe('the model of an account', () => {
  it('comes out equal however it is cut into batches and slices, and wherever it crashes', () => {
    fc.assert(
      fc.property(histories, acts, (facts, schedule) => {
        const model = new Collections();
        for (const act of schedule) {
          if (act.kind === 'slice') model.slice(act.writes);
          else model.batch(facts, act.size, act.writes);
        }
        expect(model.finish(facts).contents()).toEqual(stepByStep(facts).contents());
      }),
      { numRuns: 1_000 },
    );
  });

  it('has the members that evaluating every rule on every contact gives', () => {
    fc.assert(
      fc.property(histories, (facts) => {
        const model = new Collections().finish(facts);
        const live = [...model.groups.values()].filter((group) => group.deletedPosition === null);
        const dynamic = live
          .filter((group) => group.kind === 'dynamic')
          .sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
        for (const member of model.members.values()) {
          if (member.deleted) continue;
          const groups = member.groups.filter((group) => group === CLUB);
          for (const group of dynamic) {
            const parsed = readPrintedRule(group.versions.at(-1)?.rule ?? '');
            if (parsed.ok && evaluate(parsed.rule, { ...member, groups }, '').matches)
              groups.push(group.groupId);
          }
          expect(member.groups).toEqual(groups.sort());
        }
      }),
      { numRuns: 250 },
    );
  });

  it('never makes a recipient of a key whose last word is a revocation', () => {
    fc.assert(
      fc.property(histories, (facts) => {
        const model = new Collections().finish(facts);
        const last = new Map(
          facts.filter((fact) => fact.category === 'consent').map((fact) => [fact.streamId, fact.type]),
        );
        const bitmaps = new AccountBitmaps();
        for (const member of model.members.values()) bitmaps.replace(null, member);
        const question = { include: ['all'], exclude: [], channel: 'sms' as const };
        const { recipients } = answerOf(bitmaps, question, null);
        const suppressed = [...model.members.values()].filter((member) => {
          const primary = primaryOf(member, 'sms');
          return primary && last.get(primary.key) === 'ConsentRevoked';
        });
        expect(suppressed.filter((member) => recipients.has(member.ordinal))).toEqual([]);
      }),
      { numRuns: 250 },
    );
  });

  it('ends equal whatever the order in which contacts and consent are told', () => {
    const twoStreams = fc.tuple(histories, fc.array(fc.boolean(), { maxLength: 80, size: 'max' }));
    fc.assert(
      fc.property(twoStreams, ([facts, choices]) => {
        const said = facts.filter((fact) => fact.category === 'consent');
        const others = facts.filter((fact) => fact.category !== 'consent');
        const mixed: Step[] = [];
        for (const first of choices) mixed.push(...(first ? said : others).splice(0, 1));
        mixed.push(...others, ...said);
        const place = (list: readonly Step[]): Fact[] =>
          history(list.filter((step) => step.data !== CLUB_CREATED.data));
        const essence = (model: Collections): object =>
          [...model.members.values()]
            .sort((a, b) => (a.contactId < b.contactId ? -1 : 1))
            .map(({ contactId, deleted, phones, groups, status, optedInAt, optedOutAt }) => ({
              contactId,
              deleted,
              phones,
              groups,
              status,
              optedInAt,
              optedOutAt,
            }));
        expect(essence(new Collections().finish(place(mixed)))).toEqual(
          essence(new Collections().finish(place(facts))),
        );
      }),
      { numRuns: 250 },
    );
  });

  it('keeps its sets equal to its documents', () => {
    fc.assert(
      fc.property(histories, (facts) => {
        const model = new Collections();
        const bitmaps = new AccountBitmaps();
        for (const _ of facts) {
          const before = new Map(model.members);
          model.batch(facts, 1, Infinity);
          while (model.slice(Infinity));
          for (const [id, after] of model.members) bitmaps.replace(before.get(id) ?? null, after);
        }
        const fresh = new AccountBitmaps();
        for (const member of model.members.values()) fresh.replace(null, member);
        for (const group of ['all', CLUB, HAIFA, BOTH]) {
          expect(bitmaps.ofGroup(group).toArray()).toEqual(fresh.ofGroup(group).toArray());
          expect(bitmaps.counts(group)).toEqual(fresh.counts(group));
        }
        for (const status of ['active', 'opted_out', 'no_consent']) {
          expect(bitmaps.withStatus('sms', status).toArray()).toEqual(
            fresh.withStatus('sms', status).toArray(),
          );
        }
      }),
      { numRuns: 100 },
    );
  });
});
