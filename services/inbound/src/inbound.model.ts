import type { Head } from '@muster/event-store/heads';
import type { mongo } from 'mongoose';
import type { InboundState } from './domain/inbound.js';

/** `replied` is set by the one delivery that texts back, and stays when the head moves on. */
export type InboundHead = Head<InboundState> & { _id: string; replied?: true };

export async function ensureIndexes(heads: mongo.Collection<InboundHead>): Promise<void> {
  // The list of messages of an account, newest first.
  await heads.createIndex(
    { account: 1, 'state.received.receivedAt': -1, _id: -1 },
    { name: 'by_time_of_receipt' },
  );
}
