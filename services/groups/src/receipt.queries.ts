import { Controller } from '@nestjs/common';
import {
  getAudience,
  listAudiences,
  receiptExcluded,
  receiptRecipients,
  type Exclusion,
  type ExclusionReason,
  type ReceiptEntry,
  type Recipient,
} from '@muster/contracts/audience';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { z } from 'zod';
import { isRevokedSince, Questions } from './audience.question.js';
import { recipientOf } from './audience.queries.js';
import { membersOf, type AudienceMember } from './audience.reads.js';
import { Audiences } from './audience.worker.js';
import { fitting, readCursor, writeCursor } from './cursor.js';
import type { ReceiptDocument } from './receipt.model.js';
import { Receipts, receiptView } from './receipt.store.js';

const ListCursor = z.object({ p: z.number() });
const EntryCursor = z.object({ c: z.int().nonnegative(), i: z.int().nonnegative() });
type EntryCursor = z.infer<typeof EntryCursor>;

/** Entries looked at in one step of a page. */
const STEP = 1_000;

interface Checked {
  /** Where the page goes on after this entry. */
  after: EntryCursor;
  entry: ReceiptEntry;
  member: AudienceMember | undefined;
  to: string | null;
  /** The stored reason, or the one that has come up since. */
  reason: ExclusionReason | null;
}

@Controller()
export class ReceiptQueries {
  constructor(
    private readonly receipts: Receipts,
    private readonly questions: Questions,
    private readonly audiences: Audiences,
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

  /** Entries that `pick` takes, from a cursor on, each held against what was said since the freeze. */
  private async page<T>(
    envelope: Envelope,
    input: { id: string; after?: string | undefined; limit: number },
    pick: (checked: Checked) => T | null,
  ): Promise<{ items: T[]; next: string | null; position: number }> {
    const receipt = await this.receipts.get(envelope.account, input.id);
    const position = await this.audiences.reach(envelope.account, undefined);
    if (position < receipt.asOf) throw new Refusal('audience:lagging', { position });
    const revoked = await this.questions.revokedSince(envelope, position);
    const found: { item: T; after: EntryCursor }[] = [];
    let next: EntryCursor | null =
      input.after === undefined ? { c: 0, i: 0 } : readCursor(EntryCursor, input.after);
    while (next && found.length < input.limit) {
      const step = await this.step(receipt, next, revoked);
      next = step.next;
      for (const checked of step.checked) {
        const item = pick(checked);
        if (item === null) continue;
        found.push({ item, after: checked.after });
        if (found.length < input.limit) continue;
        next = checked.after;
        break;
      }
    }
    const page = fitting(found);
    const cut = page.length < found.length ? (page.at(-1)?.after ?? next) : next;
    return { items: page.map(({ item }) => item), next: cut && writeCursor(cut), position };
  }

  private async step(
    receipt: ReceiptDocument,
    { c, i }: EntryCursor,
    revoked: ReadonlySet<string>,
  ): Promise<{ checked: Checked[]; next: EntryCursor | null }> {
    if (c >= receipt.chunks) return { checked: [], next: null };
    const entries = await this.receipts.chunk(receipt, c);
    const part = entries.slice(i, i + STEP);
    const members = await membersOf(
      this.audiences.collections.members,
      receipt.account,
      part.map(({ contactId }) => contactId),
    );
    const checked = part.map((entry, offset) => ({
      after: { c, i: i + offset + 1 },
      ...check(entry, members.get(entry.contactId), revoked),
    }));
    const end = i + part.length;
    const next = end < entries.length ? { c, i: end } : c + 1 < receipt.chunks ? { c: c + 1, i: 0 } : null;
    return { checked, next };
  }
}

/** Holds an entry against the detail as it is now: who was a recipient may have become none, and never the reverse. */
function check(
  entry: ReceiptEntry,
  member: AudienceMember | undefined,
  revoked: ReadonlySet<string>,
): Omit<Checked, 'after'> {
  const detail = [...(member?.phones ?? []), ...(member?.emails ?? [])].find(({ key }) => key === entry.key);
  const to = detail && detail.value !== '' ? detail.value : null;
  const isOut = entry.key !== null && (revoked.has(entry.key) || (detail && isRevokedSince(detail, revoked)));
  let { reason } = entry;
  if (reason === null && isOut) reason = 'opted_out';
  if (reason === null && (!detail || to === null)) reason = 'no_detail';
  if (reason === null && detail?.status !== 'active') reason = detail?.status as ExclusionReason;
  return { entry, member, to, reason };
}
