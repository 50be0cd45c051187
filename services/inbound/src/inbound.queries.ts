import { Controller } from '@nestjs/common';
import { listInbound } from '@muster/contracts/inbound';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import type { InboundHead } from './inbound.model.js';
import { Mailbox } from './mailbox.js';

@Controller()
export class InboundQueries {
  constructor(private readonly mailbox: Mailbox) {}

  /** Newest first; the cursor is the position of the last message of the page before. */
  @Handles(listInbound)
  async list({ envelope, input }: Ask<typeof listInbound>): Promise<AnswerOf<typeof listInbound>> {
    const before = input.after === undefined ? undefined : Number.parseInt(input.after, 10);
    const heads = await this.mailbox.heads
      .find({ account: envelope.account, ...(before === undefined ? {} : { position: { $lt: before } }) })
      .sort({ position: -1 })
      .limit(input.limit + 1)
      .toArray();
    const page = heads.slice(0, input.limit);
    return {
      items: page.map((head) => view(head as InboundHead)),
      next: heads.length > input.limit ? String(page.at(-1)?.position) : null,
    };
  }
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
