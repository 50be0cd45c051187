import { Controller } from '@nestjs/common';
import {
  getAudience,
  listAudiences,
  receiptExcluded,
  receiptLines,
  receiptRecipients,
  type Exclusion,
  type ReceiptEntry,
  type Recipient,
} from '@muster/contracts/audience';
import type { Envelope } from '@muster/contracts/envelope';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { z } from 'zod';
import { Questions } from './audience.question.js';
import { recipientOf } from './audience.queries.js';
import type { HeldMember } from './audience.reads.js';
import { fitting, readCursor, writeCursor } from './cursor.js';
import { check, type Standing } from './receipt.check.js';
import { EntryCursor, ReceiptPages } from './receipt.pages.js';
import { Receipts, receiptView } from './receipt.store.js';

const ListCursor = z.object({ p: z.number() });

/** Entries looked at in one step of a page. */
const STEP = 1_000;
/** Entries of one page of lines: two make a chunk, and as text they fit into a message. */
const PAGE = 2_500;
/** Lines of one page in bytes. Within the message they are a JSON text, which is twice as long at the most. */
const LINES_BYTES_MAX = 440_000;

/** An entry and what has become of it. */
interface Checked extends Standing {
  entry: ReceiptEntry;
  member: HeldMember | undefined;
}

@Controller()
export class ReceiptQueries {
  constructor(
    private readonly receipts: Receipts,
    private readonly questions: Questions,
    private readonly pages: ReceiptPages,
  ) {}

  @Handles(listAudiences)
  async list({ envelope, input }: Ask<typeof listAudiences>): Promise<AnswerOf<typeof listAudiences>> {
    const below = input.after === undefined ? Number.MAX_SAFE_INTEGER : readCursor(ListCursor, input.after).p;
    const found = await this.receipts.list(envelope.account, below, input.limit + 1);
    const page = found.slice(0, input.limit);
    const last = page.at(-1);
    return {
      items: page.map(receiptView),
      next: found.length > page.length && last ? writeCursor({ p: last.position }) : null,
    };
  }

  @Handles(getAudience)
  async get({ envelope, input }: Ask<typeof getAudience>): Promise<AnswerOf<typeof getAudience>> {
    return { receipt: receiptView(await this.receipts.get(envelope.account, input.id)) };
  }

  @Handles(receiptRecipients)
  async recipients({
    envelope,
    input,
  }: Ask<typeof receiptRecipients>): Promise<AnswerOf<typeof receiptRecipients>> {
    return this.page(envelope, input, ({ member, to, reason }): z.infer<typeof Recipient> | null =>
      reason === null && member && to !== null ? recipientOf(member, to) : null,
    );
  }

  @Handles(receiptExcluded)
  async excluded({
    envelope,
    input,
  }: Ask<typeof receiptExcluded>): Promise<AnswerOf<typeof receiptExcluded>> {
    return this.page(envelope, input, ({ entry, to, reason }): z.infer<typeof Exclusion> | null =>
      reason === null ? null : { contactId: entry.contactId, reason, ...(to === null ? {} : { to }) },
    );
  }

  /** One page, made into text here so that nobody on its way has to look into it. */
  @Handles(receiptLines)
  async lines({ envelope, input }: Ask<typeof receiptLines>): Promise<AnswerOf<typeof receiptLines>> {
    const receipt = await this.receipts.get(envelope.account, input.id);
    const page = await this.pages.handOver(envelope, receipt, startOf(input.after), PAGE);
    const { entries, members, revoked, start, position } = page;
    let { next } = page;
    let lines = '';
    let bytes = 0;
    for (const [index, entry] of entries.entries()) {
      const member = members.get(entry.contactId);
      const { to, reason } = check(entry, member, revoked);
      if (reason !== null || !member || to === null) continue;
      const line = `${JSON.stringify(recipientOf(member, to))}\n`;
      bytes += Buffer.byteLength(line);
      if (bytes > LINES_BYTES_MAX && lines !== '') {
        next = { c: start.c, i: start.i + index };
        break;
      }
      lines += line;
    }
    return { lines, next: next && writeCursor(next), position };
  }

  /** Entries that `pick` takes, from a cursor on, each held against what was said since the freeze. */
  private async page<T>(
    envelope: Envelope,
    input: { id: string; after?: string | undefined; limit: number },
    pick: (checked: Checked) => T | null,
  ): Promise<{ items: T[]; next: string | null; position: number }> {
    const receipt = await this.receipts.get(envelope.account, input.id);
    const found: { item: T; checked: Checked; after: EntryCursor }[] = [];
    const positions: number[] = [];
    let next: EntryCursor | null = startOf(input.after);
    while (next && found.length < input.limit) {
      const read = await this.pages.readNow(envelope, receipt, next, STEP);
      positions.push(read.position);
      next = read.next;
      for (const [index, entry] of read.entries.entries()) {
        const checked = checkedAgainst(read.revoked, entry, read.members.get(entry.contactId));
        const item = pick(checked);
        if (item === null) continue;
        const after = { c: read.start.c, i: read.start.i + index + 1 };
        found.push({ item, checked, after });
        if (found.length < input.limit) continue;
        next = after;
        break;
      }
    }
    const [position = 0, ...later] = positions;
    // What was read first has become old while the rest was read.
    const revoked = later.length > 0 ? await this.questions.revokedSince(envelope, position) : null;
    const cut = fitting(found.map(({ item }) => item)).length;
    const page = found.slice(0, cut).filter(({ checked: { entry, member } }) => {
      return revoked === null || pick(checkedAgainst(revoked, entry, member)) !== null;
    });
    if (cut < found.length) next = found[cut - 1]?.after ?? next;
    return { items: page.map(({ item }) => item), next: next && writeCursor(next), position };
  }
}

function checkedAgainst(
  revoked: ReadonlySet<string>,
  entry: ReceiptEntry,
  member: HeldMember | undefined,
): Checked {
  return { entry, member, ...check(entry, member, revoked) };
}

function startOf(after: string | undefined): EntryCursor {
  return after === undefined ? { c: 0, i: 0 } : readCursor(EntryCursor, after);
}
