import type { ConsentEvent } from '@muster/contracts/consent';
import { scenario } from '@muster/testing/given';
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

const detailKey = 'ab'.repeat(32);
const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
const policy = { requireEvidence: false, staffReinstate: true };

function said(second: number, more: Partial<Statement> = {}): Statement {
  return {
    detailKey,
    kind: 'phone',
    origin: 'keyword',
    initiative: 'person',
    saidAt: at(second),
    receiptOnly: true,
    ...more,
  };
}
const revoked = (second: number, more: Partial<Statement> = {}): ConsentEvent => ({
  type: 'ConsentRevoked',
  data: { ...said(second, more), standing: 'revoked' },
});
const started = (second: number, more: object = {}): ConsentEvent => ({
  type: 'ConsentGranted',
  data: { ...said(second), standing: 'granted', ...more },
});
const evidence = (second: number) => ({
  source: 'Phone call',
  at: at(second),
  statement: 'Asked to be texted again',
});

const { given } = scenario<ConsentState, ConsentEvent>({ initial: NOTHING_SAID, evolve });

describe('STOP', () => {
  it('revokes a number of which nothing was said', () => {
    given([])
      .when((state) => revokeConsent(state, said(0)))
      .emits([revoked(0)]);
  });

  it('changes nothing when the same STOP comes again', () => {
    given([revoked(0)])
      .when((state) => revokeConsent(state, said(0)))
      .changesNothing();
  });

  it('is kept when it is newer than the one on record, so that a START between the two lifts nothing', () => {
    given([revoked(0)])
      .when((state) => revokeConsent(state, said(600)))
      .emits([revoked(600)]);
    given([revoked(0), revoked(600)])
      .when((state) => liftRevocation(state, said(300)))
      .emits([started(300, { standing: 'revoked', late: true })]);
  });

  it('is kept and marked late when the person has since said START', () => {
    given([revoked(0), started(100)])
      .when((state) => revokeConsent(state, said(50)))
      .emits([{ type: 'ConsentRevoked', data: { ...said(50), standing: 'granted', late: true } }]);
  });

  it('wins against a START received within 30 seconds, whichever came first', () => {
    given([started(10)])
      .when((state) => revokeConsent(state, said(0)))
      .emits([revoked(0)]);
    given([revoked(0)])
      .when((state) => liftRevocation(state, said(10)))
      .emits([started(10, { standing: 'revoked', late: true })]);
  });

  it('wins at equal times even where the carrier gives the time', () => {
    const exact = { receiptOnly: false };
    given([revoked(5, exact)])
      .when((state) => liftRevocation(state, said(5, exact)))
      .emits([{ type: 'ConsentGranted', data: { ...said(5, exact), standing: 'revoked', late: true } }]);
  });
});

describe('START', () => {
  it.each(['keyword', 'staff', 'import', 'api'] as const)(
    'lifts an older revocation of origin %s',
    (origin) => {
      given([revoked(0, { origin })])
        .when((state) => liftRevocation(state, said(60)))
        .emits([started(60)]);
    },
  );

  it.each(['legal', 'complaint', 'provider'] as const)(
    'is recorded and lifts nothing against a revocation of origin %s',
    (origin) => {
      given([revoked(0, { origin })])
        .when((state) => liftRevocation(state, said(60)))
        .emits([started(60, { standing: 'revoked', late: true })]);
    },
  );

  it('changes nothing when it comes again', () => {
    given([revoked(0), started(60)])
      .when((state) => liftRevocation(state, said(60)))
      .changesNothing();
  });
});

describe('a grant by staff or program', () => {
  const staff = said(60, { origin: 'staff', initiative: 'account', receiptOnly: false });

  it('needs no evidence where nothing was revoked', () => {
    given([])
      .when((state) => grantConsent(state, staff, undefined, policy))
      .emits([{ type: 'ConsentGranted', data: { ...staff, standing: 'granted' } }]);
  });

  it('is refused without evidence after a revocation', () => {
    given([revoked(0)])
      .when((state) => grantConsent(state, staff, undefined, policy))
      .refuses('consent:evidence_required', { path: 'evidence' });
  });

  it('is refused when the evidence is older than the revocation', () => {
    given([revoked(50)])
      .when((state) => grantConsent(state, staff, evidence(40), policy))
      .refuses('consent:evidence_required', { path: 'evidence.at', newerThan: at(50) });
  });

  it('is refused when the policy leaves it to the person', () => {
    given([revoked(0)])
      .when((state) => grantConsent(state, staff, evidence(40), { ...policy, staffReinstate: false }))
      .refuses('consent:reinstate_disabled');
  });

  it('reinstates with newer evidence, also after a complaint', () => {
    given([revoked(0), revoked(1, { origin: 'complaint' })])
      .when((state) => grantConsent(state, staff, evidence(40), policy))
      .emits([
        {
          type: 'ConsentGranted',
          data: { ...staff, saidAt: at(40), evidence: evidence(40), evidenced: true, standing: 'granted' },
        },
      ]);
  });

  it('changes nothing when it is repeated', () => {
    given([{ type: 'ConsentGranted', data: { ...staff, standing: 'granted' } }])
      .when((state) => grantConsent(state, staff, undefined, policy))
      .changesNothing();
  });

  it('cannot pass itself off as the person by naming the origin keyword', () => {
    const decided = grantConsent(NOTHING_SAID, said(0), undefined, policy);
    expect(decided[0]?.data.origin).toBe('api');
  });

  it('still counts as evidenced after the evidence itself was erased', () => {
    const erased: ConsentEvent = {
      type: 'ConsentGranted',
      data: { ...staff, evidenced: true, standing: 'granted' },
    };
    expect(standingOf([revoked(0), erased].reduce(evolve, NOTHING_SAID))).toBe('granted');
  });
});
