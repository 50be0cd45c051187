import { Injectable } from '@nestjs/common';
import { getConsent, liftRevocation, revokeConsent } from '@muster/contracts/consent';
import { registerContact } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { isRetryable, Refusal } from '@muster/contracts/errors';
import { addMembers } from '@muster/contracts/group';
import type { InboundEvent } from '@muster/contracts/inbound';
import { Accounts } from '@muster/event-store/accounts';
import type { Head } from '@muster/event-store/heads';
import { Bus } from '@muster/runtime/bus';
import { callFields } from '@muster/runtime/call-context';
import { followUp, systemEnvelope } from '@muster/runtime/envelopes';
import { Log } from '@muster/runtime/log';
import { uuid5 } from '@muster/contracts/ids';
import { documentId } from '@muster/contracts/names';
import { classify, finish, type InboundState } from './domain/inbound.js';
import { Line } from './line.js';
import { Mailbox } from './mailbox.js';
import { Switchboard } from './switchboard.js';

type Done = Extract<InboundEvent, { type: 'InboundDone' }>['data'];
type Received = NonNullable<InboundState['received']>;

/** Contracts let a statement name a sender of at most so many characters. */
const SENDER_MAX = 64;
const NO_CONTACT = { contactId: null, contactCreated: false, position: 0 };

/** How many messages of one process are acted upon at once; the others wait in the order they came in. */
const AT_ONCE = 32;
/** How many may wait. What comes beyond is on record, and left to whoever finishes what has no outcome. */
const WAITING_MAX = 5_000;

export interface Driven {
  /** The head of the message, which is stored only when the caller settles it. */
  head: Head<InboundState>;
  position: number;
}

/**
 * Takes a received message to its end: classify, act, done. Every step has a command id that follows from the message,
 * so it may be driven any number of times, from any process, and each thing happens once.
 */
@Injectable()
export class Driver {
  private readonly line = new Line<Driven>(AT_ONCE, WAITING_MAX);

  constructor(
    private readonly mailbox: Mailbox,
    private readonly switchboard: Switchboard,
    private readonly accounts: Accounts,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  /**
   * @param known the head that the caller has just seen; looked up without it
   * @throws Refusal `service:busy` when too many wait; the message is finished later all the same
   */
  drive(account: string, streamId: string, known?: Head<InboundState>): Promise<Driven> {
    return this.line.join(documentId(account, streamId), () => this.driveAlone(account, streamId, known));
  }

  private async driveAlone(account: string, streamId: string, known?: Head<InboundState>): Promise<Driven> {
    const { decider } = this.mailbox;
    let head = known ?? (await decider.load(account, streamId));
    const { state } = head;
    if (state.received === null) throw new Error('there is no such message');
    if (state.done) return { head, position: state.done.position };
    const envelope = envelopeOf(account, streamId, state.received);
    if (state.classification === null) {
      const active = await this.switchboard.activeKeywords(account);
      const classifying = followUp(envelope, 'classify');
      head = (
        await decider.execute(classifying, streamId, (latest) => classify(latest, active), { known: head })
      ).head;
    }
    const done = head.state.done ?? (await this.act(envelope, streamId, head.state));
    const finishing = followUp(envelope, 'finish');
    const finished = await decider.execute(finishing, streamId, (latest) => finish(latest, done), {
      known: head,
      headFollows: true,
    });
    return { head: finished.head, position: (finished.state.done ?? done).position };
  }

  private async act(envelope: Envelope, streamId: string, state: InboundState): Promise<Done> {
    const received = state.received as Received;
    const nothing: Done = { ...NO_CONTACT, reply: 'none' };
    const as = state.classification?.as;
    if (received.detailKey === null) {
      if (as === 'stop')
        this.log.warn('an opt-out from what is no number', { ...callFields(envelope), message: streamId });
      return nothing;
    }
    if (as === 'stop') {
      const position = await this.revoke(envelope, streamId, received);
      return { ...nothing, reply: 'opted_out', position };
    }
    if (as === 'start') return this.lift(envelope, streamId, received);
    if (as === 'help') return { ...nothing, reply: 'help' };
    if (as === 'keyword') return this.join(envelope, received, state.classification?.keywordId as string);
    return { ...(await this.contact(envelope, received)), reply: 'none' };
  }

  /** A STOP is never given up: whatever goes wrong here leaves the message unfinished, to be driven again. */
  private async revoke(envelope: Envelope, streamId: string, received: Received): Promise<number> {
    const revoke = async (said: ReturnType<typeof statement>): Promise<number> =>
      (await this.bus.ask(revokeConsent, followUp(envelope, 'revoke'), said)).position;
    const said = statement(streamId, received);
    const byKey = { ...said, detail: received.detailKey as string };
    try {
      return await revoke(said);
    } catch (error) {
      if (!isFinal(error) || said.detail === byKey.detail) throw error;
      const fields = { ...callFields(envelope), message: streamId };
      this.log.error('an opt-out is recorded under its detail key alone', error, fields);
      return revoke(byKey);
    }
  }

  private async lift(envelope: Envelope, streamId: string, received: Received): Promise<Done> {
    const contact = await this.contact(envelope, received);
    const lifting = this.bus.ask(liftRevocation, followUp(envelope, 'lift'), statement(streamId, received));
    const lifted = await this.unlessRefused('lift', envelope, lifting);
    if (lifted === null) return { ...contact, reply: 'none' };
    const reply = lifted.consent.status === 'granted' ? 'opted_in' : 'none';
    return { ...contact, reply, position: Math.max(contact.position, lifted.position) };
  }

  /** An unknown sender becomes a contact when the policy says so; a known one stays as it is. */
  private async contact(envelope: Envelope, received: Received): Promise<Omit<Done, 'reply'>> {
    const { policy } = await this.accounts.get(envelope.account);
    return policy.inboundCreates ? this.register(envelope, received) : NO_CONTACT;
  }

  private async register(envelope: Envelope, received: Received): Promise<Omit<Done, 'reply'>> {
    // The number is gone when the person was erased before the message was finished.
    if (received.from === undefined) return NO_CONTACT;
    const registering = this.bus.ask(registerContact, followUp(envelope, 'contact'), {
      contact: { phone: received.from },
      update: 'never',
    });
    const registered = await this.unlessRefused('contact', envelope, registering);
    if (registered === null) return NO_CONTACT;
    const { contact, created, position } = registered;
    return { contactId: contact.id, contactCreated: created, position };
  }

  private async join(envelope: Envelope, received: Received, keywordId: string): Promise<Done> {
    const keyword = (await this.switchboard.keywords.load(envelope.account, keywordId)).state;
    const source = { ...envelope.source, kind: 'keyword' as const, keyword: keywordId };
    const byKeyword = { ...envelope, source };
    const contact = await this.register(byKeyword, received);
    if (contact.contactId === null) return { ...contact, reply: 'none' };
    let { position } = contact;
    for (const id of keyword.groups) {
      const adding = this.bus.ask(addMembers, followUp(byKeyword, 'join', id), {
        id,
        contactIds: [contact.contactId],
      });
      const added = await this.unlessRefused('join', envelope, adding);
      position = Math.max(position, added?.position ?? 0);
    }
    const answers = keyword.response !== undefined && (await this.mayBeAnswered(envelope, received));
    return { ...contact, reply: answers ? 'keyword' : 'none', position };
  }

  /** A keyword's response never goes to a number that opted out; only confirmations and help do. */
  private async mayBeAnswered(envelope: Envelope, received: Received): Promise<boolean> {
    const detail = received.from ?? (received.detailKey as string);
    const { consent } = await this.bus.ask(getConsent, envelope, { detail });
    return consent.status !== 'revoked' && !consent.blocked;
  }

  /**
   * What a refusal that no repetition changes would have done is left out and logged, so that the message can be
   * finished. Everything else is thrown, and tried again.
   */
  private async unlessRefused<T>(step: string, envelope: Envelope, work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (!isFinal(error)) throw error;
      const fields = { ...callFields(envelope), step, message: envelope.source.message };
      this.log.error('a step of a message was refused', error, fields);
      return null;
    }
  }
}

/** A refusal of the thing itself, as with a group that was deleted; not one of a service that could not answer. */
function isFinal(error: unknown): boolean {
  return error instanceof Refusal && !isRetryable(error.code) && !/^(service|account):/.test(error.code);
}

function statement(streamId: string, received: Received) {
  return {
    detail: received.from ?? (received.detailKey as string),
    origin: 'keyword' as const,
    initiative: 'person' as const,
    saidAt: received.saidAt ?? received.receivedAt,
    receiptOnly: received.saidAt === undefined,
    sender: received.sender.slice(0, SENDER_MAX),
    message: streamId,
  };
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
