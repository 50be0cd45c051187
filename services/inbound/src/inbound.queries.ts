import { Controller } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { listInbound } from '@muster/contracts/inbound';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import type { mongo } from 'mongoose';
import type { InboundHead } from './inbound.model.js';
import { Mailbox } from './mailbox.js';

@Controller()
export class InboundQueries {
  constructor(private readonly mailbox: Mailbox) {}

  /**
   * Newest first, by the time of receipt, which never changes; the cursor is the last message of the page before.
   * @throws Refusal `request:invalid` for a cursor that no page gave
   */
  @Handles(listInbound)
  async list({ envelope, input }: Ask<typeof listInbound>): Promise<AnswerOf<typeof listInbound>> {
    const heads = await this.mailbox.heads
      .find({ account: envelope.account, ...before(input.after) })
      .sort({ 'state.received.receivedAt': -1, _id: -1 })
      .limit(input.limit + 1)
      .toArray();
    const page = heads.slice(0, input.limit) as InboundHead[];
    const last = page.at(-1);
    return {
      items: page.map(view),
      next: last && heads.length > input.limit ? `${last.state.received?.receivedAt}|${last._id}` : null,
    };
  }
}

function before(cursor: string | undefined): mongo.Filter<InboundHead> {
  if (cursor === undefined) return {};
  const [, at, id] = /^([0-9TZ:.-]+)\|(\S+)$/.exec(cursor) ?? [];
  if (at === undefined || id === undefined) throw new Refusal('request:invalid', { path: 'after' });
  return {
    'state.received.receivedAt': { $lte: at },
    $or: [{ 'state.received.receivedAt': { $lt: at } }, { _id: { $lt: id } }],
  };
}

function view({ id, state }: InboundHead): AnswerOf<typeof listInbound>['items'][number] {
  const { received, classification, done } = state;
  return {
    id,
    at: received?.receivedAt ?? new Date(0).toISOString(),
    from: received?.from ?? null,
    to: received?.sender ?? '',
    text: received?.text ?? null,
    classification: classification?.as ?? null,
    contactId: done?.contactId ?? null,
    done: done !== null,
  };
}
