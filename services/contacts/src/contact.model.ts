import type { Head } from '@muster/event-store/heads';
import type { mongo } from 'mongoose';
import type { ContactState } from './domain/contact.js';

export type ContactHead = Head<ContactState> & { _id: string };

/** Who owns a phone number. Unique by its id, which is account and detail key. A guard: repaired in place. */
export interface ClaimDocument {
  _id: string;
  contactId: string;
}

export async function ensureIndexes(heads: mongo.Collection<ContactHead>): Promise<void> {
  // Upserts by external id or e-mail: the contacts of an account that have one of these identifiers.
  await heads.createIndex({ account: 1, 'state.identifiers': 1 }, { name: 'by_identifier' });
}
