import { Injectable } from '@nestjs/common';
import { liftRevocation, revokeConsent } from '@muster/contracts/consent';
import { registerContact } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { addMembers } from '@muster/contracts/group';
import type { InboundEvent } from '@muster/contracts/inbound';
import { Accounts } from '@muster/event-store/accounts';
import { Bus } from '@muster/runtime/bus';
import { followUp, systemEnvelope } from '@muster/runtime/envelopes';
import { uuid5 } from '@muster/contracts/ids';
import { classify, finish, type InboundState } from './domain/inbound.js';
import { Mailbox } from './mailbox.js';
import { Switchboard } from './switchboard.js';

type Done = Extract<InboundEvent, { type: 'InboundDone' }>['data'];
type Received = NonNullable<InboundState['received']>;

export interface Driven {
  /** True for the one call, of all that drove the message, which finished it: it alone may reply. */
  first: boolean;
  state: InboundState;
  position: number;
}

/**
 * Takes a received message to its end: classify, act, done. Every step has a command id that follows from the message,
 * so it may be driven any number of times, from any process, and each thing happens once.
 */
@Injectable()
export class Driver {
  constructor(
    private readonly mailbox: Mailbox,
    private readonly switchboard: Switchboard,
    private readonly accounts: Accounts,
    private readonly bus: Bus,
  ) {}

  async drive(account: string, streamId: string): Promise<Driven> {
    const { decider } = this.mailbox;
    const head = await decider.load(account, streamId);
    if (head.state.received === null) throw new Error('there is no such message');
    if (head.state.done) return { first: false, state: head.state, position: head.state.done.position };
    const envelope = envelopeOf(account, streamId, head.state.received);
    const keywords = await this.switchboard.liveKeywords(account);
    const active = keywords.filter((keyword) => keyword.active);
    const classified = await decider.execute(followUp(envelope, 'classify'), streamId, (state) =>
      classify(state, active),
    );
    const done = await this.act(envelope, streamId, classified.state);
    const finished = await decider.execute(followUp(envelope, 'finish'), streamId, (state) =>
      finish(state, done),
    );
    return { first: finished.outcome === 'applied', state: finished.state, position: done.position };
  }

  private async act(envelope: Envelope, streamId: string, state: InboundState): Promise<Done> {
    const received = state.received as Received;
    const nothing: Done = { contactId: null, contactCreated: false, reply: 'none', position: 0 };
    if (received.from === undefined || received.detailKey === null) return nothing;
    const statement = {
      detail: received.from,
      origin: 'keyword' as const,
      initiative: 'person' as const,
      saidAt: received.saidAt ?? received.receivedAt,
      receiptOnly: received.saidAt === undefined,
      sender: received.sender,
      message: streamId,
    };
    switch (state.classification?.as) {
      case 'stop': {
        const { position } = await this.bus.ask(revokeConsent, followUp(envelope, 'revoke'), statement);
        return { ...nothing, reply: 'opted_out', position };
      }
      case 'start': {
        const contact = await this.contact(envelope, received);
        const lifted = await this.bus.ask(liftRevocation, followUp(envelope, 'lift'), statement);
        const reply = lifted.consent.status === 'granted' ? 'opted_in' : 'none';
        return { ...contact, reply, position: Math.max(contact.position, lifted.position) };
      }
      case 'help':
        return { ...nothing, reply: 'help' };
      case 'keyword':
        return this.join(envelope, received, state.classification.keywordId as string);
      default:
        return { ...(await this.contact(envelope, received)), reply: 'none' };
    }
  }

  /** An unknown sender becomes a contact when the policy says so; a known one stays as it is. */
  private async contact(envelope: Envelope, received: Received): Promise<Omit<Done, 'reply'>> {
    const { policy } = await this.accounts.get(envelope.account);
    if (!policy.inboundCreates) return { contactId: null, contactCreated: false, position: 0 };
    return this.register(envelope, received);
  }

  private async register(envelope: Envelope, received: Received): Promise<Omit<Done, 'reply'>> {
    const registered = await this.bus.ask(registerContact, followUp(envelope, 'contact'), {
      contact: { phone: received.from },
      update: 'never',
    });
    return {
      contactId: registered.contact.id,
      contactCreated: registered.created,
      position: registered.position,
    };
  }

  private async join(envelope: Envelope, received: Received, keywordId: string): Promise<Done> {
    const keyword = (await this.switchboard.keywords.load(envelope.account, keywordId)).state;
    const source = { ...envelope.source, kind: 'keyword' as const, keyword: keywordId };
    const byKeyword = { ...envelope, source };
    const contact = await this.register(byKeyword, received);
    let { position } = contact;
    for (const id of keyword.groups) {
      const added = await this.bus.ask(addMembers, followUp(byKeyword, 'join', id), {
        id,
        contactIds: [contact.contactId as string],
      });
      position = Math.max(position, added.position);
    }
    return { ...contact, reply: keyword.response ? 'keyword' : 'none', position };
  }
}

/** Every delivery of a message acts under the same envelope: that of its first receipt. */
export function envelopeOf(account: string, streamId: string, received: { receivedAt: string }): Envelope {
  const system = systemEnvelope(account, {
    source: { kind: 'inbound', message: streamId },
    command: uuid5(account, streamId, 'inbound'),
    at: received.receivedAt,
  });
  return { ...system, actor: { kind: 'person', id: streamId.slice(0, 64) } };
}
