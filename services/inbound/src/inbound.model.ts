import type { Head } from '@muster/event-store/heads';
import type { mongo } from 'mongoose';
import type { InboundState } from './domain/inbound.js';

export type InboundHead = Head<InboundState> & { _id: string };

export async function ensureIndexes(heads: mongo.Collection<InboundHead>): Promise<void> {
  // The list of messages of an account, newest first.
  await heads.createIndex({ account: 1, position: 1 }, { name: 'by_position' });
}
