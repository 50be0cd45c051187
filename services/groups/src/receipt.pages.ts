import { Injectable } from '@nestjs/common';
import type { ReceiptEntry } from '@muster/contracts/audience';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { z } from 'zod';
import { Questions } from './audience.question.js';
import { heldAt, heldOf, memberIn, type HeldMember } from './audience.reads.js';
import { Audiences } from './audience.worker.js';
import { Chunk, type ReceiptDocument } from './receipt.model.js';
import { Receipts } from './receipt.store.js';

/** A place between two entries of a receipt: the chunk, and the entry in it that comes next. */
export const EntryCursor = z.object({ c: z.int().nonnegative(), i: z.int().nonnegative() });
export type EntryCursor = z.infer<typeof EntryCursor>;

/** Pages read while another is on its way: one that the database works on, and one that is taken out of its answer. */
const AHEAD = 2;
/** What lies in memory for readers altogether, and for how many milliseconds; who finds no place or comes later reads anew. */
const KEPT_MAX = 12;
const KEPT_MS = 2_000;

/** What was read for a page: bytes and text, taken apart at hand-over, so that waiting costs next to nothing. */
interface PageRead {
  /** The position that the model had before the members were read: what was said since is not in them for sure. */
  position: number;
  chunk: Chunk;
  members: readonly Buffer[];
  start: EntryCursor;
  end: number;
  /** Null at the end of the receipt. */
  next: EntryCursor | null;
}

/** A page at the moment in which it is handed over. */
export interface HandedOver extends Pick<PageRead, 'position' | 'start' | 'next'> {
  entries: readonly ReceiptEntry[];
  members: ReadonlyMap<string, HeldMember>;
  /** Keys revoked since the page was read, however long ago that is. */
  revoked: ReadonlySet<string>;
}

const NO_CHUNK = new Chunk('', undefined);

/**
 * Reads pages of receipts, also before they are asked for. What is read ahead is never handed out as it is: compliance is
 * asked at hand-over what was said since it was read, so a page is as exact as one that is read at that moment.
 */
@Injectable()
export class ReceiptPages {
  private readonly kept = new Map<string, Promise<PageRead>>();

  constructor(
    private readonly receipts: Receipts,
    private readonly questions: Questions,
    private readonly audiences: Audiences,
  ) {}

  /**
   * A page as it is now.
   * @throws Refusal `audience:lagging`
   */
  async readNow(
    envelope: Envelope,
    receipt: ReceiptDocument,
    start: EntryCursor,
    count: number,
  ): Promise<HandedOver> {
    return this.held(envelope, this.read(receipt, start, count));
  }

  private async read(receipt: ReceiptDocument, start: EntryCursor, count: number): Promise<PageRead> {
    const position = await this.audiences.reach(receipt.account, undefined);
    if (position < receipt.asOf) throw new Refusal('audience:lagging', { position });
    const end = endOf(start, count);
    if (start.c >= receipt.chunks) return { position, chunk: NO_CHUNK, members: [], start, end, next: null };
    const chunk = await this.receipts.chunk(receipt, start.c);
    const { account, question } = receipt;
    const collection = this.audiences.collections.members;
    const ordinals = chunk.ordinals(start.i, end);
    const ids = ordinals ? [] : chunk.entries(start.i, end).map(({ contactId }) => contactId);
    const members = ordinals
      ? await heldAt(collection, account, ordinals, question.channel)
      : await heldOf(collection, account, ids, question.channel);
    return { position, chunk, members, start, end, next: following(receipt, start, count, chunk.size) };
  }

  /**
   * A page that was read ahead, or is read now, with what was said since; pages after it are read meanwhile.
   * @throws Refusal `audience:lagging`
   */
  async handOver(
    envelope: Envelope,
    receipt: ReceiptDocument,
    start: EntryCursor,
    count: number,
  ): Promise<HandedOver> {
    const kept = this.take(keyOf(receipt, start, count));
    const reading = kept ?? this.read(receipt, start, count);
    // A failure is met below; until then it must not count as unhandled.
    reading.catch(() => undefined);
    this.readAhead(receipt, start, count).catch(() => undefined);
    if (kept === null) return this.held(envelope, reading);
    // Too much may have been said since a page was read ahead, which is no fault of the page as it is now.
    return this.held(envelope, kept).catch(() => this.readNow(envelope, receipt, start, count));
  }

  private async held(envelope: Envelope, reading: Promise<PageRead>): Promise<HandedOver> {
    const { position, chunk, members, start, end, next } = await reading;
    const revoked = await this.questions.revokedSince(envelope, position);
    const found = members.map(memberIn);
    return {
      position,
      entries: chunk.entries(start.i, end),
      members: new Map(found.map((member) => [member.contactId, member])),
      start,
      next,
      revoked,
    };
  }

  private async readAhead(receipt: ReceiptDocument, start: EntryCursor, count: number): Promise<void> {
    let at: EntryCursor | null = start;
    for (let ahead = 0; ahead < AHEAD && at.c < receipt.chunks; ahead += 1) {
      const { size } = await this.receipts.chunk(receipt, at.c);
      at = following(receipt, at, count, size);
      if (at === null) return;
      const key = keyOf(receipt, at, count);
      if (!this.kept.has(key) && this.kept.size < KEPT_MAX) this.keep(key, this.read(receipt, at, count));
    }
  }

  private take(key: string): Promise<PageRead> | null {
    const page = this.kept.get(key);
    this.kept.delete(key);
    return page ?? null;
  }

  private keep(key: string, page: Promise<PageRead>): void {
    page.catch(() => undefined);
    this.kept.set(key, page);
    const forget = (): void => {
      if (this.kept.get(key) === page) this.kept.delete(key);
    };
    setTimeout(forget, KEPT_MS).unref();
  }
}

function keyOf(receipt: ReceiptDocument, { c, i }: EntryCursor, count: number): string {
  return `${receipt._id} ${c} ${i} ${count}`;
}

/** Pages end at multiples of their size, so that after one that was cut short the next ones are those read ahead. */
function endOf({ i }: EntryCursor, count: number): number {
  return i - (i % count) + count;
}

function following(
  receipt: ReceiptDocument,
  { c, i }: EntryCursor,
  count: number,
  entries: number,
): EntryCursor | null {
  const end = endOf({ c, i }, count);
  if (end < entries) return { c, i: end };
  return c + 1 < receipt.chunks ? { c: c + 1, i: 0 } : null;
}
