import type { Channel } from '@muster/contracts/audience';
import { documentId } from '@muster/contracts/names';
import type { mongo } from 'mongoose';
import type { MemberDocument, PhoneEntry } from './audience.model.js';

/** How much wider than its members a range of ordinals may be, to be read as a range. */
const SPREAD = 3;
const BATCH = 5_000;

/** What an audience hands out or holds against what was said; nothing that only rules and lists need. */
const NEEDED = { contactId: 1, ordinal: 1, deleted: 1, firstName: 1, lastName: 1, phones: 1, emails: 1 };

export type AudienceMember = Pick<MemberDocument, keyof typeof NEEDED>;

type HeldDetail = Pick<PhoneEntry, 'key' | 'value' | 'status'> & { said: { key: string }[] };

/** What a page of a receipt needs of a member: details of its channel alone, and of those what is held against the ledger. */
export interface HeldMember {
  contactId: string;
  firstName: string;
  lastName: string;
  phones?: HeldDetail[];
  emails?: HeldDetail[];
}
function held(details: 'phones' | 'emails'): Record<string, number> {
  const names = ['key', 'value', 'status', 'said.key'].map((name) => `${details}.${name}`);
  const whole = { _id: 0, contactId: 1, ordinal: 1, firstName: 1, lastName: 1 };
  return { ...whole, ...Object.fromEntries(names.map((name) => [name, 1])) };
}
const HELD = { sms: held('phones'), email: held('emails') };

type Members = mongo.Collection<MemberDocument>;

/** Members by ascending ordinals, in that order. Close ordinals are read as one range of the index. */
export async function membersAt(
  members: Members,
  account: string,
  ordinals: readonly number[],
): Promise<AudienceMember[]> {
  return rangeOf<AudienceMember>(members, account, ordinals, NEEDED);
}

/** The same for pages of receipts. */
export async function heldAt(
  members: Members,
  account: string,
  ordinals: readonly number[],
  channel: Channel,
): Promise<HeldMember[]> {
  return rangeOf<HeldMember & { ordinal: number }>(members, account, ordinals, HELD[channel]);
}

async function rangeOf<T extends { ordinal: number }>(
  members: Members,
  account: string,
  ordinals: readonly number[],
  projection: Record<string, number>,
): Promise<T[]> {
  const [first, last] = [ordinals[0], ordinals.at(-1)];
  if (first === undefined || last === undefined) return [];
  const isDense = last - first < ordinals.length * SPREAD;
  const ordinal = isDense ? { $gte: first, $lte: last } : { $in: [...ordinals] };
  const found = await members
    .find({ account, ordinal })
    .project<T>(projection)
    .sort({ account: 1, ordinal: 1 })
    .batchSize(BATCH)
    .toArray();
  if (found.length === ordinals.length && last - first < ordinals.length) return found;
  const wanted = new Set(ordinals);
  return found.filter((member) => wanted.has(member.ordinal));
}

/** Members by contact id, for pages of receipts that know no ordinals. */
export async function heldOf(
  members: Members,
  account: string,
  contactIds: readonly string[],
  channel: Channel,
): Promise<HeldMember[]> {
  const ids = contactIds.map((id) => documentId(account, id));
  return members
    .find({ _id: { $in: ids } })
    .project<HeldMember>(HELD[channel])
    .batchSize(BATCH)
    .toArray();
}
