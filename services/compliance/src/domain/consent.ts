import { Refusal } from '@muster/contracts/errors';
import type { ConsentEvent, Initiative, Origin, Standing } from '@muster/contracts/consent';
import type { DetailKind, Evidence } from '@muster/contracts/detail';

/** When something was said, and how sure the time is. */
export interface Said {
  at: string;
  receiptOnly: boolean;
  origin: Origin;
  initiative: Initiative;
}

/**
 * The latest statement of each class. Nothing else is needed to decide, and because each class keeps its greatest
 * time, the same statements in any order fold to the same state (R20).
 */
export interface ConsentState {
  kind: DetailKind | null;
  /** Origin keyword, staff, import, api or block. START lifts these. */
  revocation: Said | null;
  /** Origin legal, complaint or provider: only evidence that staff records lifts these, never START. */
  firmRevocation: Said | null;
  /** START or UNSTOP from the person. */
  start: Said | null;
  /** A grant with evidence of what the person said. */
  evidenced: (Said & { evidence: Evidence | null }) | null;
  /** A grant without evidence: consent as good as a basis, which lifts nothing. */
  plain: Said | null;
}

export const NOTHING_SAID: ConsentState = {
  kind: null,
  revocation: null,
  firmRevocation: null,
  start: null,
  evidenced: null,
  plain: null,
};

/**
 * Two statements whose times are only those of receipt and lie this close together resolve to opted out, whichever
 * came first: carriers such as Twilio and Plivo give no time of sending, so their order is not known.
 */
export const RECEIPT_ORDER_UNKNOWN_MS = 30_000;

const FIRM_ORIGINS: readonly Origin[] = ['legal', 'complaint', 'provider'];

export function evolve(state: ConsentState, event: ConsentEvent): ConsentState {
  const { saidAt: at, receiptOnly, origin, initiative, kind } = event.data;
  const said: Said = { at, receiptOnly, origin, initiative };
  if (event.type === 'ConsentRevoked') {
    return FIRM_ORIGINS.includes(origin)
      ? { ...state, kind, firmRevocation: later(state.firmRevocation, said) }
      : { ...state, kind, revocation: later(state.revocation, said) };
  }
  if (origin === 'keyword') return { ...state, kind, start: later(state.start, said) };
  const evidence = event.data.evidence;
  if (evidence === undefined && !event.data.evidenced)
    return { ...state, kind, plain: later(state.plain, said) };
  const evidenced = { ...said, evidence: evidence ?? null };
  return { ...state, kind, evidenced: later(state.evidenced, evidenced) };
}

/** The greater time stays; of two at the same time, the one whose order is less sure, which refuses more. */
function later<S extends Said>(before: S | null, now: S): S {
  if (before === null || now.at > before.at) return now;
  return now.at === before.at && now.receiptOnly && !before.receiptOnly ? now : before;
}

/** Whether a grant counts as said after a revocation. Equal times, or times too close to order, do not. */
function isAfter(grant: Said | null, revocation: Said): boolean {
  if (grant === null || grant.at <= revocation.at) return false;
  if (!grant.receiptOnly || !revocation.receiptOnly) return true;
  return Date.parse(grant.at) - Date.parse(revocation.at) > RECEIPT_ORDER_UNKNOWN_MS;
}

/** The revocation that is in force, or null. */
export function revocationInForce(state: ConsentState): Said | null {
  const { firmRevocation: firm, revocation } = state;
  if (firm && !isAfter(state.evidenced, firm)) return firm;
  if (revocation && !isAfter(state.evidenced, revocation) && !isAfter(state.start, revocation))
    return revocation;
  return null;
}

/** The newest grant, or null. It counts only while no revocation is in force. */
export function newestGrant(state: ConsentState): (Said & { evidence?: Evidence | null }) | null {
  const grants = [state.start, state.evidenced, state.plain].filter((grant) => grant !== null);
  return grants.reduce<Said | null>(
    (best, grant) => (best === null || grant.at > best.at ? grant : best),
    null,
  );
}

export function standingOf(state: ConsentState): Standing {
  if (revocationInForce(state)) return 'revoked';
  return newestGrant(state) ? 'granted' : 'none';
}

/** The time of what decides the standing; the epoch where nothing was said. */
export function lastSaidAt(state: ConsentState): string {
  return (revocationInForce(state) ?? newestGrant(state))?.at ?? new Date(0).toISOString();
}

export interface Statement {
  detailKey: string;
  kind: DetailKind;
  origin: Origin;
  initiative: Initiative;
  saidAt: string;
  receiptOnly: boolean;
  reason?: string | undefined;
  note?: string | undefined;
  sender?: string | undefined;
  programme?: string | undefined;
  message?: string | undefined;
}

/**
 * Records that a detail may not be texted. Nothing happens only when the same class of revocation is on record with
 * the same or a later time: an older one must be kept, because a grant that lies between the two would lift it.
 * A revocation that newer consent outranks already is kept and marked late (R22).
 */
export function revokeConsent(state: ConsentState, statement: Statement): ConsentEvent[] {
  const event: ConsentEvent = { type: 'ConsentRevoked', data: { ...statement, standing: 'revoked' } };
  const after = evolve(state, event);
  const before = FIRM_ORIGINS.includes(statement.origin) ? state.firmRevocation : state.revocation;
  const same = FIRM_ORIGINS.includes(statement.origin) ? after.firmRevocation : after.revocation;
  if (before !== null && before === same) return [];
  const standing = standingOf(after);
  return [{ ...event, data: { ...event.data, standing, ...(standing === 'revoked' ? {} : { late: true }) } }];
}

/** START or UNSTOP from the person. It is kept even where it lifts nothing, since an older STOP may still arrive. */
export function liftRevocation(state: ConsentState, statement: Statement): ConsentEvent[] {
  const said: Statement = { ...statement, origin: 'keyword', initiative: 'person' };
  return grant(state, { type: 'ConsentGranted', data: { ...said, standing: 'granted' } });
}

export interface GrantPolicy {
  requireEvidence: boolean;
  staffReinstate: boolean;
}

/**
 * Records consent that staff or a program reports. After a revocation it needs evidence that is newer than the
 * revocation, and the policy must allow it; otherwise the person has to text START.
 * @throws Refusal `consent:evidence_required`, `consent:reinstate_disabled`
 */
export function grantConsent(
  state: ConsentState,
  statement: Statement,
  evidence: Evidence | undefined,
  policy: GrantPolicy,
): ConsentEvent[] {
  const revocation = revocationInForce(state);
  if (evidence === undefined && (revocation !== null || policy.requireEvidence)) {
    throw new Refusal('consent:evidence_required', { path: 'evidence' });
  }
  if (revocation !== null && !policy.staffReinstate) throw new Refusal('consent:reinstate_disabled');
  const origin = statement.origin === 'keyword' ? 'api' : statement.origin;
  const data = { ...statement, origin, standing: 'granted' as const };
  const event: ConsentEvent = {
    type: 'ConsentGranted',
    data:
      evidence === undefined
        ? data
        : { ...data, saidAt: evidence.at, receiptOnly: false, evidence, evidenced: true },
  };
  if (revocation !== null && revocationInForce(evolve(state, event)) !== null) {
    throw new Refusal('consent:evidence_required', { path: 'evidence.at', newerThan: revocation.at });
  }
  return grant(state, event);
}

function grant(
  state: ConsentState,
  event: Extract<ConsentEvent, { type: 'ConsentGranted' }>,
): ConsentEvent[] {
  const after = evolve(state, event);
  const unchanged =
    after.start === state.start && after.evidenced === state.evidenced && after.plain === state.plain;
  if (unchanged) return [];
  const standing = standingOf(after);
  return [{ ...event, data: { ...event.data, standing, ...(standing === 'granted' ? {} : { late: true }) } }];
}
