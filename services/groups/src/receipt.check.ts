import type { ExclusionReason, ReceiptEntry } from '@muster/contracts/audience';
import { isRevokedSince } from './audience.question.js';
import type { HeldMember } from './audience.reads.js';

/** What has become of an entry. */
export interface Standing {
  to: string | null;
  /** The stored reason, or the one that has come up since; null for a recipient. */
  reason: ExclusionReason | null;
}

/** Holds an entry against the detail as it is now: who was a recipient may have become none, and never the reverse. */
export function check(
  entry: ReceiptEntry,
  member: HeldMember | undefined,
  revoked: ReadonlySet<string>,
): Standing {
  const isIt = ({ key }: { key: string }): boolean => key === entry.key;
  const detail = (member?.phones ?? member?.emails)?.find(isIt);
  const to = detail && detail.value !== '' ? detail.value : null;
  let { reason } = entry;
  if (reason === null && isOut(entry, detail, revoked)) reason = 'opted_out';
  if (reason === null && (!detail || to === null)) reason = 'no_detail';
  if (reason === null && detail?.status !== 'active') reason = detail?.status as ExclusionReason;
  return { to, reason };
}

function isOut(
  { key }: ReceiptEntry,
  detail: { said: readonly { key: string }[] } | undefined,
  revoked: ReadonlySet<string>,
): boolean {
  if (key === null || revoked.size === 0) return false;
  return revoked.has(key) || (detail !== undefined && isRevokedSince(detail, revoked));
}
