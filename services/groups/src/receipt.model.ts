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
  /** Entries as lines, in order; one text costs much less to read than thousands of documents. */
  text?: string;
  /** Ordinals of the entries, which find members at less cost than ids. */
  ordinals?: number[];
  /** What receipts from before have in place of both. */
  entries?: ReceiptEntry[];
}

/** Entries of a chunk as the content hash and new chunks have them. */
export function textOf(entries: readonly ReceiptEntry[]): string {
  return entries
    .map(({ contactId, key, reason }) => `${contactId} ${key ?? '-'} ${reason ?? '-'}\n`)
    .join('');
}

/** A chunk as it is read. Entries are made when they are looked at, and no earlier: a kept chunk is one text. */
export class Chunk {
  readonly size: number;
  private readonly lines: readonly string[];

  constructor(
    text: string,
    private readonly numbers: readonly number[] | undefined,
  ) {
    this.lines = text.split('\n');
    this.size = this.lines.length - 1;
  }

  entries(start: number, end: number): ReceiptEntry[] {
    return this.lines.slice(start, Math.min(end, this.size)).map((line) => {
      const [contactId = '', key = '-', reason = '-'] = line.split(' ');
      return {
        contactId,
        key: key === '-' ? null : key,
        reason: reason === '-' ? null : (reason as ExclusionReason),
      };
    });
  }

  /** Undefined for a chunk from before they were kept. */
  ordinals(start: number, end: number): number[] | undefined {
    return this.numbers?.slice(start, end);
  }
}

export function chunkId(receipt: Pick<ReceiptDocument, '_id'>, index: number): string {
  return `${receipt._id}_${index}`;
}

export async function ensureReceiptIndexes(receipts: mongo.Collection<ReceiptDocument>): Promise<void> {
  await receipts.createIndexes([
    { key: { account: 1, position: -1 }, name: 'list_of_receipts' },
    { key: { account: 1, audienceId: 1 }, name: 'one_receipt' },
  ]);
}
