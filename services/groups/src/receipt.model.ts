import type { AudienceQuestion, ExclusionReason, ReceiptEntry } from '@muster/contracts/audience';
import type { mongo } from 'mongoose';

/** Entries of one stored chunk: about 600 KB, far below what a document may have. */
export const CHUNK = 5_000;

/**
 * One attempt to freeze an audience. It becomes the receipt when AudienceFrozen with its content hash is in the log; one
 * that never does is left over from a crash and belongs to nobody.
 */
export interface ReceiptDocument {
  _id: string;
  account: string;
  audienceId: string;
  attempt: string;
  question: AudienceQuestion;
  recipients: number;
  excluded: Partial<Record<ExclusionReason, number>>;
  asOf: number;
  contentHash: string;
  chunks: number;
  /** Position of AudienceFrozen; null before it is appended. */
  position: number | null;
  frozenAt: string | null;
}

export interface ChunkDocument {
  _id: string;
  account: string;
  entries: ReceiptEntry[];
  /** Ordinals of the entries, which find members at less cost than ids; receipts from before they were kept have none. */
  ordinals?: number[];
}

/** A chunk as it is read. */
export type Chunk = Pick<ChunkDocument, 'entries' | 'ordinals'>;

export function chunkId(receipt: Pick<ReceiptDocument, '_id'>, index: number): string {
  return `${receipt._id}_${index}`;
}

export async function ensureReceiptIndexes(receipts: mongo.Collection<ReceiptDocument>): Promise<void> {
  await receipts.createIndexes([
    { key: { account: 1, position: -1 }, name: 'list_of_receipts' },
    { key: { account: 1, audienceId: 1 }, name: 'one_receipt' },
  ]);
}
