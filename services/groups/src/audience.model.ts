import type { Standing } from '@muster/contracts/consent';
import type { GroupKind } from '@muster/contracts/group';
import type { CatalogueField } from '@muster/rule/catalogue';
import type { MemberEmail, MemberPhone, RuleMember } from '@muster/rule/member';
import type { mongo } from 'mongoose';

/** What the ledger says of a detail, as far as the model has read; kept for details that nobody holds, too. */
export interface DetailStanding {
  standing: Standing;
  /** When what stands was said. */
  since: string;
  grantedAt: string | null;
  revokedAt: string | null;
}

/** What was said under one key of a detail. */
export interface Said extends Omit<DetailStanding, 'since'> {
  key: string;
}

/** What is kept of a detail beside what rules ask for. */
export interface DetailFacts {
  /** Date of the basis that this contact gave with this detail; null where there is none. */
  basisAt: string | null;
  /** Its own key first, then the keys of its alias forms and of other versions of the pepper. */
  said: Said[];
}

export type PhoneEntry = MemberPhone & DetailFacts;
export type EmailEntry = MemberEmail & DetailFacts;

/** One contact of the read model; a deleted one stays as a tombstone without personal values. */
export interface MemberDocument extends RuleMember {
  _id: string;
  account: string;
  /** Dense number of the contact within its account, in order of registration: its place in every bitmap. */
  ordinal: number;
  /** Position of the last event folded in. Guards every write. */
  position: number;
  /** Revision of the contact's own stream. */
  revision: number;
  deleted: boolean;
  phones: PhoneEntry[];
  emails: EmailEntry[];
  /** Every key under which something may be said of the details that the contact holds. */
  keys: string[];
}

export interface StandingDocument extends DetailStanding {
  _id: string;
  account: string;
  key: string;
  position: number;
}

/** The event that something happened because of. */
export interface Cause {
  position: number;
  id: string;
  type: string;
  at: string;
}

export interface LogDocument {
  /** Account, group, contact and position: a replay writes the same entry again, which changes nothing. */
  _id: string;
  account: string;
  groupId: string;
  contactId: string;
  ordinal: number;
  kind: 'entered' | 'left';
  cause: Cause;
}

/** A group as the loop knows it. Deleted ones stay, so that members are freed of them and a replay does nothing. */
export interface GroupDocument {
  _id: string;
  account: string;
  groupId: string;
  name: string;
  kind: GroupKind;
  categories: string[];
  createdAt: string;
  createdPosition: number;
  deletedPosition: number | null;
  /** Position of the last event folded in. */
  position: number;
  /** Every rule the group has had, oldest first; the text form with groups by id. */
  versions: { position: number; rule: string }[];
  /** Events because of which members that were there before them are still to be evaluated. */
  pending: Cause[];
}

/** Custom fields of an account. */
export interface FieldsDocument {
  _id: string;
  position: number;
  fields: CatalogueField[];
}

/** An event that the fold could not take in; left out of the model until a release that can is started over. */
export interface ParkedDocument {
  _id: string;
  account: string;
  stream: string;
  type: string;
  position: number;
}

export interface AudienceCollections {
  members: mongo.Collection<MemberDocument>;
  standings: mongo.Collection<StandingDocument>;
  log: mongo.Collection<LogDocument>;
  groups: mongo.Collection<GroupDocument>;
  fields: mongo.Collection<FieldsDocument>;
  parked: mongo.Collection<ParkedDocument>;
}

/** Collections that follow from the log of events alone: dropping them and the loops' checkpoints rebuilds them. */
export const MODEL_COLLECTIONS = [
  'audience_members',
  'detail_standings',
  'membership_log',
  'audience_groups',
  'audience_fields',
  'parked_events',
] as const;

export function audienceCollections(database: {
  collection<T extends object>(name: string): mongo.Collection<T>;
}): AudienceCollections {
  return {
    members: database.collection<MemberDocument>('audience_members'),
    standings: database.collection<StandingDocument>('detail_standings'),
    log: database.collection<LogDocument>('membership_log'),
    groups: database.collection<GroupDocument>('audience_groups'),
    fields: database.collection<FieldsDocument>('audience_fields'),
    parked: database.collection<ParkedDocument>('parked_events'),
  };
}

/** Every index is named after the query that it serves. */
export async function ensureIndexes({ members, log, groups }: AudienceCollections): Promise<void> {
  await members.createIndexes([
    { key: { account: 1, ordinal: 1 }, name: 'slices_and_audience_pages', unique: true },
    { key: { account: 1, keys: 1 }, name: 'holders_of_a_detail' },
    { key: { account: 1, deleted: 1, 'folded.name': 1, contactId: 1 }, name: 'list_by_name' },
    { key: { account: 1, deleted: 1, createdAt: 1, contactId: 1 }, name: 'list_by_creation' },
    { key: { account: 1, deleted: 1, updatedAt: 1, contactId: 1 }, name: 'list_by_change' },
    { key: { account: 1, groups: 1, createdAt: 1, contactId: 1 }, name: 'list_of_a_group' },
  ]);
  await log.createIndexes([
    { key: { account: 1, groupId: 1, 'cause.position': 1, ordinal: 1 }, name: 'group_log' },
    { key: { account: 1, groupId: 1, contactId: 1, 'cause.position': 1 }, name: 'why' },
  ]);
  await groups.createIndex({ account: 1 }, { name: 'groups_of_an_account' });
}
