import type { Head } from '@muster/event-store/heads';
import type { mongo } from 'mongoose';
import type { GroupState } from './domain/group.js';

export type GroupHead = Head<GroupState> & { _id: string };

/** Keeps two groups of an account from taking one name at the same time. A guard, repaired where it is used. */
export interface NameClaim {
  _id: string;
  account: string;
  groupId: string;
  at: Date;
}

/** Where a membership stream ends, and the commands that were done last. */
export interface MembershipHead {
  _id: string;
  revision: number;
  /** Newest last. */
  commands: { command: string; position: number }[];
}

export async function ensureGroupIndexes(heads: mongo.Collection<GroupHead>): Promise<void> {
  await heads.createIndex({ account: 1 }, { name: 'groups_of_an_account' });
}
