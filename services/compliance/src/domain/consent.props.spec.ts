import type { ConsentEvent } from '@muster/contracts/consent';
import { Refusal } from '@muster/contracts/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  evolve,
  grantConsent,
  liftRevocation,
  NOTHING_SAID,
  revokeConsent,
  standingOf,
  type ConsentState,
  type Statement,
} from './consent.js';

const instant = fc.integer({ min: 0, max: 200 }).map((second) => new Date(second * 1000).toISOString());
const statement: fc.Arbitrary<Statement> = fc.record({
  detailKey: fc.constant('ab'.repeat(32)),
  kind: fc.constant('phone' as const),
  origin: fc.constantFrom('keyword', 'staff', 'import', 'api', 'complaint', 'legal'),
  initiative: fc.constantFrom('person', 'account'),
  saidAt: instant,
  receiptOnly: fc.boolean(),
});

type Act = (state: ConsentState) => ConsentEvent[];
const policy = { requireEvidence: false, staffReinstate: true };
const revoke = statement.map(
  (said): Act =>
    (state) =>
      revokeConsent(state, said),
);
const start = statement.map(
  (said): Act =>
    (state) =>
      liftRevocation(state, said),
);
const grant = fc.tuple(statement, fc.option(instant, { nil: undefined })).map(
  ([said, evidenceAt]): Act =>
    (state) =>
      grantConsent(
        state,
        said,
        evidenceAt ? { source: 's', at: evidenceAt, statement: 'x' } : undefined,
        policy,
      ),
);
const act = fc.oneof(revoke, start, grant);

function perform(state: ConsentState, decide: Act): ConsentEvent[] {
  try {
    return decide(state);
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}
const run = (acts: readonly Act[]): ConsentState =>
  acts.reduce((state, one) => perform(state, one).reduce(evolve, state), NOTHING_SAID);

describe('laws of consent', () => {
  it('a command applied twice does nothing the second time', () => {
    fc.assert(
      fc.property(fc.array(act), act, (before, last) => {
        const state = run([...before, last]);
        expect(perform(state, last)).toEqual([]);
      }),
    );
  });

  it('statements of the person and of revocation come to the same, in any order and with repeats (R20)', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(revoke, start), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (acts, picks) => {
          const order = [...acts, ...acts.slice(0, 3)];
          const shuffled = order
            .map((one) => ({ one, key: picks.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ one }) => one);
          expect(standingOf(run(shuffled))).toBe(standingOf(run(order)));
        },
      ),
    );
  });

  it('after a revocation nothing but a grant said later makes a number sendable', () => {
    fc.assert(
      fc.property(fc.array(act), statement, fc.array(act), (before, said, after) => {
        const history: ConsentEvent[] = [];
        const apply = (state: ConsentState, one: Act): ConsentState => {
          const events = perform(state, one);
          history.push(...events);
          return events.reduce(evolve, state);
        };
        const revoked = apply(before.reduce(apply, NOTHING_SAID), (state) => revokeConsent(state, said));
        const end = after.reduce(apply, revoked);
        if (standingOf(end) === 'revoked') return;
        const later = history.filter(
          (event) => event.type === 'ConsentGranted' && event.data.saidAt > said.saidAt,
        );
        expect(later).not.toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('the standing that an event records is the standing that the fold gives', () => {
    fc.assert(
      fc.property(fc.array(act), act, (before, last) => {
        const state = run(before);
        const events = perform(state, last);
        const after = events.reduce(evolve, state);
        for (const event of events) expect(event.data.standing).toBe(standingOf(after));
      }),
    );
  });
});
