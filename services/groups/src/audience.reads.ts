import { documentId } from '@muster/contracts/names';
import type { mongo } from 'mongoose';
import type { MemberDocument } from './audience.model.js';

/** How much wider than its members a range of ordinals may be, to be read as a range. */
const SPREAD = 3;
const BATCH = 5_000;

/** What an audience hands out or holds against what was said; nothing that only rules and lists need. */
const NEEDED = { contactId: 1, ordinal: 1, deleted: 1, firstName: 1, lastName: 1, phones: 1, emails: 1 };

export type AudienceMember = Pick<MemberDocument, keyof typeof NEEDED>;

/** Members by ascending ordinals, in that order. Close ordinals are read as one range of the index. */
export async function membersAt(
  members: mongo.Collection<MemberDocument>,
  account: string,
  ordinals: readonly number[],
): Promise<AudienceMember[]> {
  const [first, last] = [ordinals[0], ordinals.at(-1)];
  if (first === undefined || last === undefined) return [];
  const isDense = last - first < ordinals.length * SPREAD;
  const ordinal = isDense ? { $gte: first, $lte: last } : { $in: [...ordinals] };
  const wanted = new Set(ordinals);
  const found = await members
    .find({ account, ordinal })
    .project<AudienceMember>(NEEDED)
    .sort({ account: 1, ordinal: 1 })
    .batchSize(BATCH)
    .toArray();
  return found.filter((member) => wanted.has(member.ordinal));
}

/** Members by contact id. */
export async function membersOf(
  members: mongo.Collection<MemberDocument>,
  account: string,
  contactIds: readonly string[],
): Promise<Map<string, AudienceMember>> {
  const ids = contactIds.map((id) => documentId(account, id));
  const found = await members
    .find({ _id: { $in: ids } })
    .project<AudienceMember>(NEEDED)
    .batchSize(BATCH)
    .toArray();
  return new Map(found.map((member) => [member.contactId, member]));
}
