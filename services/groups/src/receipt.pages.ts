import { Injectable } from '@nestjs/common';
import type { ReceiptEntry } from '@muster/contracts/audience';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { z } from 'zod';
import { Questions } from './audience.question.js';
import { heldAt, heldOf, type HeldMember } from './audience.reads.js';
import { Audiences } from './audience.worker.js';
import type { ReceiptDocument } from './receipt.model.js';
import { Receipts } from './receipt.store.js';

/** A place between two entries of a receipt: the chunk, and the entry in it that comes next. */
export const EntryCursor = z.object({ c: z.int().nonnegative(), i: z.int().nonnegative() });
export type EntryCursor = z.infer<typeof EntryCursor>;

/** Pages read while another is on its way: one that the database works on, and one that is taken out of its answer. */
const AHEAD = 2;
/** What lies in memory for readers altogether, and for how many milliseconds; who comes later reads anew. */
const KEPT_MAX = 12;
const KEPT_MS = 2_000;

/** Entries and the members behind them, held against nothing yet. */
export interface PageRead {
  /** The position that the model had before the members were read: what was said since is not in them for sure. */
  position: number;
  entries: readonly ReceiptEntry[];
  members: ReadonlyMap<string, HeldMember>;
  start: EntryCursor;
  /** Null at the end of the receipt. */
  next: EntryCursor | null;
}

/** A page at the moment in which it is handed over. */
export interface HandedOver extends PageRead {
  /** Keys revoked since the page was read, however long ago that is. */
  revoked: ReadonlySet<string>;
}

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
    if (start.c >= receipt.chunks) return { position, entries: [], members: new Map(), start, next: null };
    const chunk = await this.receipts.chunk(receipt, start.c);
    const end = start.i + count;
    const entries = chunk.entries.slice(start.i, end);
    const ordinals = chunk.ordinals?.slice(start.i, end);
    const { members } = this.audiences.collections;
    const { account, question } = receipt;
    const contactIds = entries.map(({ contactId }) => contactId);
    const found = ordinals
      ? await heldAt(members, account, ordinals, question.channel)
      : await heldOf(members, account, contactIds, question.channel);
    return {
      position,
      entries,
      members: new Map(found.map((member) => [member.contactId, member])),
      start,
      next: following(receipt, start, count, chunk.entries.length),
    };
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
    const page = await reading;
    return { ...page, revoked: await this.questions.revokedSince(envelope, page.position) };
  }

  private async readAhead(receipt: ReceiptDocument, start: EntryCursor, count: number): Promise<void> {
    let at: EntryCursor | null = start;
    for (let ahead = 0; ahead < AHEAD && at.c < receipt.chunks; ahead += 1) {
      const { entries } = await this.receipts.chunk(receipt, at.c);
      at = following(receipt, at, count, entries.length);
      if (at === null) return;
      const key = keyOf(receipt, at, count);
      if (!this.kept.has(key)) this.keep(key, this.read(receipt, at, count));
    }
  }

  private take(key: string): Promise<PageRead> | null {
    const page = this.kept.get(key);
    this.kept.delete(key);
    return page ?? null;
  }

  private keep(key: string, page: Promise<PageRead>): void {
    page.catch(() => undefined);
    const oldest = this.kept.keys().next();
    if (this.kept.size >= KEPT_MAX && !oldest.done) this.kept.delete(oldest.value);
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

function following(
  receipt: ReceiptDocument,
  { c, i }: EntryCursor,
  count: number,
  entries: number,
): EntryCursor | null {
  if (i + count < entries) return { c, i: i + count };
  return c + 1 < receipt.chunks ? { c: c + 1, i: 0 } : null;
}
