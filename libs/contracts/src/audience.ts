import { z } from 'zod';
import { AtLeast, Instant, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { GroupId, RuleJson } from './group.js';
import { DetailKey, Id } from './ids.js';
import { command, query } from './subject.js';

export const Channel = z.enum(['sms', 'email']);
export type Channel = z.infer<typeof Channel>;

/** Why a contact of the groups asked for is not a recipient; the first that applies, in this order. */
export const EXCLUSION_REASONS = [
  'excluded_group',
  'no_detail',
  'blocked',
  'opted_out',
  'provider_suppressed',
  'held_for_review',
  'unreachable',
  'no_consent',
  'duplicate_detail',
] as const;
export const ExclusionReason = z.enum(EXCLUSION_REASONS);
export type ExclusionReason = z.infer<typeof ExclusionReason>;

const Excluded = z.partialRecord(ExclusionReason, z.int().nonnegative());

/** A question about groups: the union of `include`, less `exclude`, narrowed by `query`. */
export const AudienceQuestion = z.object({
  include: z.array(GroupId).min(1).max(250),
  exclude: z.array(GroupId).max(250).default([]),
  query: z.union([z.string().max(10_000), RuleJson]).optional(),
  channel: Channel.default('sms'),
});
export type AudienceQuestion = z.infer<typeof AudienceQuestion>;

export const AudienceFrozen = defineEvent(
  'audience',
  'AudienceFrozen',
  z.object({
    audienceId: Id,
    question: AudienceQuestion,
    recipients: z.int().nonnegative(),
    excluded: Excluded,
    /** The position that the answer is exact for. */
    asOf: Position,
    /** SHA-256 over the stored recipients and exclusions, in order. */
    contentHash: z.string(),
  }),
  {
    example: {
      audienceId: '01890a5d-ac96-774b-bcce-b302099a8057',
      question: { include: ['all'], exclude: [], channel: 'sms' },
      recipients: 2,
      excluded: { opted_out: 1 },
      asOf: 4711,
      contentHash: 'ef'.repeat(32),
    },
  },
);
export const AUDIENCE_EVENTS = [AudienceFrozen] as const;
export type AudienceEvent = EventOf<(typeof AUDIENCE_EVENTS)[number]>;

export const countAudience = query(
  'groups',
  'count-audience',
  'How many would receive, and how many would not and why. Exact for the position it answers.',
  AudienceQuestion.extend(AtLeast),
  z.object({ recipients: z.int().nonnegative(), excluded: Excluded, position: Position }),
  { timeoutMs: 15_000 },
);

export const Recipient = z.object({
  contactId: Id,
  to: z.string(),
  firstName: z.string().optional(),
  lastName: z.string().optional(),
});
export const Exclusion = z.object({ contactId: Id, to: z.string().optional(), reason: ExclusionReason });

/** One page of a live audience; `after` is the `next` of the page before. */
export const resolveAudience = query(
  'groups',
  'resolve-audience',
  'Recipients of a question, one page at a time, with nobody who said stop since.',
  AudienceQuestion.extend({
    after: z.string().max(200).optional(),
    limit: z.int().positive().max(1000).default(500),
    ...AtLeast,
  }),
  z.object({ items: z.array(Recipient), next: z.string().nullable(), position: Position }),
  { timeoutMs: 15_000 },
);

export const Receipt = z.object({
  id: Id,
  question: AudienceQuestion,
  recipients: z.int().nonnegative(),
  excluded: Excluded,
  position: Position,
  frozenAt: Instant,
});
export type Receipt = z.infer<typeof Receipt>;

export const freezeAudience = command(
  'groups',
  'freeze-audience',
  'Answers a question and keeps the answer as a receipt.',
  AudienceQuestion.extend(AtLeast),
  z.object({ receipt: Receipt, ...Written }),
  { timeoutMs: 60_000 },
);
export const listAudiences = query(
  'groups',
  'list-audiences',
  'Receipts, newest first.',
  z.object({ after: z.string().max(200).optional(), limit: z.int().positive().max(100).default(50) }),
  z.object({ items: z.array(Receipt), next: z.string().nullable() }),
);
export const getAudience = query(
  'groups',
  'get-audience',
  'One receipt.',
  z.object({ id: Id }),
  z.object({ receipt: Receipt }),
);
/** Pages of a receipt. Whoever was revoked since the freeze is left out, and listed under excluded. */
export const receiptRecipients = query(
  'groups',
  'receipt-recipients',
  'Recipients of a receipt, less those who said stop since.',
  z.object({
    id: Id,
    after: z.string().max(200).optional(),
    limit: z.int().positive().max(1000).default(500),
  }),
  z.object({ items: z.array(Recipient), next: z.string().nullable(), position: Position }),
  { timeoutMs: 15_000 },
);
/**
 * The same pages as text, for whoever passes them on as they are. A page ends where a message would be too large, and is
 * empty when everybody on it is left out: only `next` tells whether there is more.
 */
export const receiptLines = query(
  'groups',
  'receipt-lines',
  'Recipients of a receipt, less those who said stop since, as lines of JSON: one recipient a line, in the shape and order of receipt-recipients.',
  z.object({ id: Id, after: z.string().max(200).optional() }),
  z.object({ lines: z.string(), next: z.string().nullable(), position: Position }),
  { timeoutMs: 15_000 },
);
export const receiptExcluded = query(
  'groups',
  'receipt-excluded',
  'Contacts of the groups asked for who are not recipients, with the reason.',
  z.object({
    id: Id,
    after: z.string().max(200).optional(),
    limit: z.int().positive().max(1000).default(500),
  }),
  z.object({ items: z.array(Exclusion), next: z.string().nullable(), position: Position }),
  { timeoutMs: 15_000 },
);

/** What a chunk of a receipt stores: ids, keys and reasons, never names or numbers. */
export interface ReceiptEntry {
  contactId: Id;
  key: DetailKey | null;
  reason: ExclusionReason | null;
}
