import type { Head } from '@muster/event-store/heads';
import type { mongo } from 'mongoose';
import type { ConsentState } from './domain/consent.js';

/** Heads of consent streams: what the ledger says of each detail, current with every answer. */
export type ConsentHead = Head<ConsentState> & { _id: string };

/** Who holds a detail, and with a basis or without: projected from contact streams. Lag here can only refuse. */
export interface HoldingDocument {
  _id: string;
  account: string;
  key: string;
  kind: 'phone' | 'email';
  /** Contact id to whether that contact's holding has a basis. */
  holders: Record<string, boolean>;
  position: number;
}

export async function ensureIndexes(heads: mongo.Collection<ConsentHead>): Promise<void> {
  // changes-since: the standings of an account that changed after a position.
  await heads.createIndex({ account: 1, position: 1 }, { name: 'changes_since' });
}
