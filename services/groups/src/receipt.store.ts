import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { AudienceEvent, Receipt } from '@muster/contracts/audience';
import { Refusal } from '@muster/contracts/errors';
import { streamName } from '@muster/contracts/names';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import type { mongo } from 'mongoose';
import {
  Chunk,
  chunkId,
  ensureReceiptIndexes,
  textOf,
  type ChunkDocument,
  type ReceiptDocument,
} from './receipt.model.js';

/** Chunks in memory, about 1 MB each. */
const RECENT_MAX = 8;

/** Receipts and their chunks. They are records, not a read model: nothing else could give the same answer again. */
@Injectable()
export class Receipts implements OnModuleInit {
  private readonly receipts: mongo.Collection<ReceiptDocument>;
  private readonly chunks: mongo.Collection<ChunkDocument>;
  private readonly recent = new Map<string, Promise<Chunk>>();

  constructor(
    private readonly store: EventStore,
    database: Database,
    private readonly log: Log,
  ) {
    this.receipts = database.collection<ReceiptDocument>('audience_receipts');
    this.chunks = database.collection<ChunkDocument>('audience_chunks');
  }

  onModuleInit(): void {
    ensureReceiptIndexes(this.receipts).catch((error: unknown) =>
      this.log.error('indexes of receipts', error),
    );
  }

  async addChunk(
    receipt: Pick<ReceiptDocument, '_id' | 'account'>,
    index: number,
    text: string,
    ordinals: number[],
  ) {
    const { account } = receipt;
    await this.chunks.insertOne({ _id: chunkId(receipt, index), account, text, ordinals });
  }

  /** The last few chunks stay in memory: they never change, and have several pages. */
  chunk(receipt: ReceiptDocument, index: number): Promise<Chunk> {
    const id = chunkId(receipt, index);
    const known = this.recent.get(id);
    if (known) return known;
    const reading = this.readChunk(id);
    reading.catch(() => this.recent.delete(id));
    const oldest = this.recent.keys().next();
    if (this.recent.size >= RECENT_MAX && !oldest.done) this.recent.delete(oldest.value);
    this.recent.set(id, reading);
    return reading;
  }

  private async readChunk(id: string): Promise<Chunk> {
    const found = await this.chunks.findOne({ _id: id });
    if (!found) throw new Error('a chunk of this receipt is gone');
    return new Chunk(found.text ?? textOf(found.entries ?? []), found.ordinals);
  }

  async add(receipt: ReceiptDocument): Promise<void> {
    await this.receipts.insertOne(receipt);
  }

  /** What the attempt of a repeated command left behind. */
  async discard(receipt: ReceiptDocument): Promise<void> {
    const ids = Array.from({ length: receipt.chunks }, (_, index) => chunkId(receipt, index));
    await this.receipts.deleteOne({ _id: receipt._id, position: null });
    await this.chunks.deleteMany({ _id: { $in: ids } });
  }

  /** The receipt of an audience; found by its event when a crash came between the event and this record. */
  async find(account: string, audienceId: string): Promise<ReceiptDocument | null> {
    const frozen = await this.receipts.findOne({ account, audienceId, position: { $ne: null } });
    if (frozen) return frozen;
    const facts = await this.store.read(streamName('audience', account, audienceId), { max: 1 });
    const fact = facts[0] as Fact<AudienceEvent> | undefined;
    if (!fact) return null;
    const position = fact.position > 0 ? fact.position : await this.store.lastPosition();
    return this.freeze(account, audienceId, fact.data.contentHash, { position, frozenAt: fact.meta.at });
  }

  /** Marks the attempt that the event is about. Attempts with the same content are equal, so any of them will do. */
  async freeze(
    account: string,
    audienceId: string,
    contentHash: string,
    frozen: { position: number; frozenAt: string },
  ): Promise<ReceiptDocument | null> {
    return this.receipts.findOneAndUpdate(
      { account, audienceId, contentHash },
      { $set: frozen },
      { returnDocument: 'after' },
    );
  }

  /** @throws Refusal `audience:not_found` */
  async get(account: string, audienceId: string): Promise<ReceiptDocument> {
    const found = await this.find(account, audienceId);
    if (!found) throw new Refusal('audience:not_found');
    return found;
  }

  /** Newest first, from below a position. */
  async list(account: string, below: number, limit: number): Promise<ReceiptDocument[]> {
    return this.receipts
      .find({ account, position: { $ne: null, $lt: below } })
      .sort({ position: -1 })
      .limit(limit)
      .toArray();
  }
}

export function receiptView(receipt: ReceiptDocument): Receipt {
  const { audienceId, question, recipients, excluded, asOf, frozenAt } = receipt;
  return { id: audienceId, question, recipients, excluded, position: asOf, frozenAt: frozenAt ?? '' };
}
