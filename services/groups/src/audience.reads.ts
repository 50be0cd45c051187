import type { Channel } from '@muster/contracts/audience';
import { documentId } from '@muster/contracts/names';
import { mongo } from 'mongoose';
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
  const whole = { _id: 0, contactId: 1, firstName: 1, lastName: 1 };
  return { ...whole, ...Object.fromEntries(names.map((name) => [name, 1])) };
}
const HELD = { sms: held('phones'), email: held('emails') };

type Members = mongo.Collection<MemberDocument>;

/** Members by ascending ordinals, in that order. */
export async function membersAt(
  members: Members,
  account: string,
  ordinals: readonly number[],
): Promise<AudienceMember[]> {
  if (ordinals.length === 0) return [];
  const wanted = new Set(ordinals);
  const found = await rangeOf(members, account, ordinals).project<AudienceMember>(NEEDED).toArray();
  return found.filter((member) => wanted.has(member.ordinal));
}

/** Members for a page of a receipt, as bytes for `memberIn`; others may be among them where ordinals have gaps. */
export async function heldAt(
  members: Members,
  account: string,
  ordinals: readonly number[],
  channel: Channel,
): Promise<Buffer[]> {
  return rangeOf(members, account, ordinals, { raw: true }).project<Buffer>(HELD[channel]).toArray();
}

/** The same by contact id, for receipts that know no ordinals. */
export async function heldOf(
  members: Members,
  account: string,
  contactIds: readonly string[],
  channel: Channel,
): Promise<Buffer[]> {
  const ids = contactIds.map((id) => documentId(account, id));
  return members
    .find({ _id: { $in: ids } }, { raw: true })
    .project<Buffer>(HELD[channel])
    .batchSize(BATCH)
    .toArray();
}

export function memberIn(document: Buffer): HeldMember {
  return mongo.BSON.deserialize(document) as HeldMember;
}

/** Close ordinals are read as one range of the index. */
function rangeOf(
  members: Members,
  account: string,
  ordinals: readonly number[],
  options: mongo.FindOptions = {},
): mongo.FindCursor<mongo.WithId<MemberDocument>> {
  const [first = 0, last = -1] = [ordinals[0], ordinals.at(-1)];
  const isDense = last - first < ordinals.length * SPREAD;
  const ordinal = isDense ? { $gte: first, $lte: last } : { $in: [...ordinals] };
  return members.find({ account, ordinal }, options).sort({ account: 1, ordinal: 1 }).batchSize(BATCH);
}
