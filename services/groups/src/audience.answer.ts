import { EXCLUSION_REASONS, type AudienceQuestion, type ExclusionReason } from '@muster/contracts/audience';
import { RoaringBitmap32 } from 'roaring-wasm';
import type { AccountBitmaps, Bitmap } from './bitmaps.js';

/** Everybody asked for, each in exactly one of the sets. */
export interface Answer {
  recipients: Bitmap;
  excluded: Map<ExclusionReason, Bitmap>;
}

/** Statuses of a primary detail that are reasons, in the order in which reasons are told. */
const STATUS_REASONS = ['blocked', 'opted_out', 'unreachable', 'no_consent'] as const;

/** Reasons that a revocation does not outrank. */
const STRONGER: readonly ExclusionReason[] = ['excluded_group', 'no_detail', 'blocked', 'opted_out'];

/**
 * Answers a question by set algebra. `narrowed` holds the contacts that match its query; null without one. The sets of
 * the answer belong to the caller.
 */
export function answerOf(
  bitmaps: AccountBitmaps,
  question: AudienceQuestion,
  narrowed: Bitmap | null,
): Answer {
  const rest = union(question.include.map((group) => bitmaps.ofGroup(group)));
  if (narrowed) rest.andInPlace(narrowed);
  const excluded = new Map<ExclusionReason, Bitmap>();
  const exclude = (reason: ExclusionReason, those: Bitmap): void => {
    const found = RoaringBitmap32.and(rest, those);
    rest.andNotInPlace(found);
    excluded.set(reason, found);
  };
  exclude('excluded_group', union(question.exclude.map((group) => bitmaps.ofGroup(group))));
  const { channel } = question;
  const active = bitmaps.withStatus(channel, 'active');
  for (const status of STATUS_REASONS) exclude(status, bitmaps.withStatus(channel, status));
  exclude('no_detail', RoaringBitmap32.andNot(rest, active));
  if (channel === 'email') exclude('duplicate_detail', bitmaps.sharedEmails.duplicatesAmong(rest));
  return { recipients: rest, excluded };
}

/** Moves contacts whose detail was revoked after the sets were made. Newer consent is not taken in: it can wait. */
export function revoke(answer: Answer, ordinals: Iterable<number>): void {
  const optedOut = answer.excluded.get('opted_out') ?? new RoaringBitmap32();
  answer.excluded.set('opted_out', optedOut);
  for (const ordinal of ordinals) {
    const reason = reasonOf(answer, ordinal);
    if (reason === undefined || (reason !== null && STRONGER.includes(reason))) continue;
    if (reason === null) answer.recipients.delete(ordinal);
    else answer.excluded.get(reason)?.delete(ordinal);
    optedOut.add(ordinal);
  }
}

/** Why a contact is out; null for a recipient, undefined for one that was not asked for. */
export function reasonOf(answer: Answer, ordinal: number): ExclusionReason | null | undefined {
  if (answer.recipients.has(ordinal)) return null;
  return EXCLUSION_REASONS.find((reason) => answer.excluded.get(reason)?.has(ordinal));
}

/** Everybody asked for, by ordinal. */
export function askedFor(answer: Answer): Bitmap {
  return union([answer.recipients, ...answer.excluded.values()]);
}

/** How many are out, by reason; reasons that nobody has are left out. */
export function excludedCounts(answer: Answer): Partial<Record<ExclusionReason, number>> {
  const counts: Partial<Record<ExclusionReason, number>> = {};
  for (const reason of EXCLUSION_REASONS) {
    const size = answer.excluded.get(reason)?.size ?? 0;
    if (size > 0) counts[reason] = size;
  }
  return counts;
}

function union(bitmaps: readonly Bitmap[]): Bitmap {
  const all = new RoaringBitmap32();
  for (const bitmap of bitmaps) all.orInPlace(bitmap);
  return all;
}
