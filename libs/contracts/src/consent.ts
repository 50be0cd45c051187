import { z } from 'zod';
import { DetailKind, Evidence } from './detail.js';
import { Instant, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { DetailKey } from './ids.js';
import { command, query } from './subject.js';

export const Origin = z.enum([
  'keyword',
  'staff',
  'import',
  'api',
  'block',
  'provider',
  'complaint',
  'legal',
]);
export type Origin = z.infer<typeof Origin>;
export const Initiative = z.enum(['person', 'account']);
export type Initiative = z.infer<typeof Initiative>;

/** What the ledger says of a detail after an event: decided by the owner, so that no reader folds it again. */
export const Standing = z.enum(['none', 'granted', 'revoked']);
export type Standing = z.infer<typeof Standing>;

const Said = {
  detailKey: DetailKey,
  kind: DetailKind,
  origin: Origin,
  initiative: Initiative,
  /** When it was said: the carrier's time where it gives one, else the time of receipt. */
  saidAt: Instant,
  /** True where only the time of receipt is known, as with Twilio. */
  receiptOnly: z.boolean(),
  reason: z.string().max(200).optional(),
  sender: z.string().max(64).optional(),
  programme: z.string().max(200).optional(),
  /** The inbound message that said it. */
  message: z.string().max(200).optional(),
  /** The standing after this event, all earlier ones considered. */
  standing: Standing,
  /** A statement that lost against newer evidence is kept, and marked. */
  late: z.boolean().optional(),
};

export const ConsentGranted = defineEvent(
  'consent',
  'ConsentGranted',
  z.object({
    ...Said,
    /** Whether evidence was given: known even after the evidence itself was erased. */
    evidenced: z.boolean().optional(),
    evidence: Evidence.optional(),
    note: z.string().max(2000).optional(),
  }),
  {
    personal: ['evidence', 'note', 'reason'],
    example: {
      detailKey: 'ab'.repeat(32),
      kind: 'phone',
      origin: 'keyword',
      initiative: 'person',
      saidAt: '2026-01-02T03:04:05.678Z',
      receiptOnly: true,
      standing: 'granted',
    },
  },
);
export const ConsentRevoked = defineEvent(
  'consent',
  'ConsentRevoked',
  z.object({ ...Said, note: z.string().max(2000).optional() }),
  {
    personal: ['note', 'reason'],
    example: {
      detailKey: 'ab'.repeat(32),
      kind: 'phone',
      origin: 'keyword',
      initiative: 'person',
      saidAt: '2026-01-02T03:04:05.678Z',
      receiptOnly: true,
      standing: 'revoked',
    },
  },
);
export const CONSENT_EVENTS = [ConsentGranted, ConsentRevoked] as const;
export type ConsentEvent = EventOf<(typeof CONSENT_EVENTS)[number]>;

/** A detail in a request: a phone number or e-mail address in any spelling, or its detail key. */
export const DetailInput = z.string().min(1).max(320);

const Statement = {
  detail: DetailInput,
  origin: Origin.default('api'),
  initiative: Initiative.default('person'),
  saidAt: Instant.optional(),
  receiptOnly: z.boolean().default(false),
  reason: z.string().max(200).optional(),
  note: z.string().max(2000).optional(),
  sender: z.string().max(64).optional(),
  programme: z.string().max(200).optional(),
  message: z.string().max(200).optional(),
};

export const ConsentView = z.object({
  detail: z.string().nullable().describe('The value where a contact holds it or the caller gave it'),
  detailKey: DetailKey,
  status: z.enum(['granted', 'revoked', 'none']),
  blocked: z.boolean(),
  sendable: z.boolean(),
  reason: z.string().nullable(),
  since: Instant.nullable(),
  origin: Origin.nullable(),
  initiative: Initiative.nullable(),
  evidence: Evidence.optional(),
});
export type ConsentView = z.infer<typeof ConsentView>;

export const revokeConsent = command(
  'compliance',
  'revoke-consent',
  'Records that a detail may not be texted any more. In force for every audience and gate at the answer.',
  z.object(Statement),
  z.object({ consent: ConsentView, changed: z.boolean(), ...Written }),
);
export const grantConsent = command(
  'compliance',
  'grant-consent',
  'Records newer consent. After a revocation it needs evidence, and the policy must allow it.',
  z.object({ ...Statement, evidence: Evidence.optional() }),
  z.object({ consent: ConsentView, changed: z.boolean(), ...Written }),
);
/** START and UNSTOP: lifts older revocations of origin keyword, staff, import and api; nothing else. */
export const liftRevocation = command(
  'compliance',
  'lift-revocation',
  'Records START or UNSTOP from the person.',
  z.object(Statement),
  z.object({ consent: ConsentView, changed: z.boolean(), ...Written }),
);
export const getConsent = query(
  'compliance',
  'get-consent',
  'What the ledger says of a detail, now.',
  z.object({ detail: DetailInput }),
  z.object({ consent: ConsentView, position: Position }),
);
export const getConsentMany = query(
  'compliance',
  'get-consent-many',
  'The same for many: first what was asked by key alone, then what was asked as get-consent asks, each in order.',
  z.object({
    keys: z.array(DetailKey).max(500).default([]),
    details: z.array(DetailInput).max(500).default([]),
  }),
  z.object({ items: z.array(ConsentView), position: Position }),
);
export const getConsentHistory = query(
  'compliance',
  'get-consent-history',
  'Everything that was said about a detail, oldest first.',
  z.object({ detail: DetailInput }),
  z.object({
    items: z.array(
      z.object({
        at: Instant,
        saidAt: Instant,
        kind: z.string(),
        origin: Origin,
        initiative: Initiative,
        standing: Standing,
        late: z.boolean(),
        actor: z.object({ kind: z.string(), id: z.string() }),
        reason: z.string().optional(),
        note: z.string().optional(),
        evidence: Evidence.optional(),
        sender: z.string().optional(),
        programme: z.string().optional(),
        message: z.string().optional(),
        event: z.string(),
      }),
    ),
  }),
);

/** A full answer stays within what one NATS message carries. */
export const CHANGES_MAX = 5_000;

/** Standings that changed after a position: what an audience must still leave out, however far its model is behind. */
export const changesSince = query(
  'compliance',
  'changes-since',
  'Details whose standing changed after a position, from the heads: includes every acknowledged STOP.',
  z.object({ after: Position, limit: z.int().positive().max(CHANGES_MAX).default(CHANGES_MAX) }),
  z.object({
    changes: z.array(z.object({ key: DetailKey, standing: Standing, since: Instant, position: Position })),
    /** False when there are more changes than the limit: the asker must not answer from a model so far behind. */
    complete: z.boolean(),
    position: Position,
  }),
);

export const GATE_MAX = 500;
export const GateResult = z.object({
  to: z.string(),
  allowed: z.boolean(),
  reason: z.string().optional(),
});
export const canSend = query(
  'compliance',
  'can-send',
  'The send gate: may these details be texted now?',
  z.object({
    to: z.array(DetailInput).min(1).max(GATE_MAX),
    sender: z.string().max(64).optional(),
    programme: z.string().max(200).optional(),
  }),
  z.object({ results: z.array(GateResult), position: Position }),
);
