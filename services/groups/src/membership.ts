import { Injectable } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import type { MembershipEvent } from '@muster/contracts/group';
import { documentId, streamName } from '@muster/contracts/names';
import { EventStore, WrongRevision } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import { Database } from '@muster/runtime/database';
import type { mongo } from 'mongoose';
import type { MembershipHead } from './group.model.js';

const COMMANDS_KEPT = 64;
/** Events read from the end of a stream whose head is lost. */
const TAIL = 64;
const TRIES = 20;
const DUPLICATE_KEY = 11_000;

/**
 * Appends to membership streams. Their events are set operations that need no state to be decided, so all that is kept
 * of a stream is where it ends and which commands were done last.
 */
@Injectable()
export class Memberships {
  private readonly heads: mongo.Collection<MembershipHead>;

  constructor(
    private readonly store: EventStore,
    database: Database,
  ) {
    this.heads = database.collection<MembershipHead>('membership_heads');
  }

  /**
   * Appends once for a command, however often it comes.
   * @returns the position of the event
   */
  async append(envelope: Envelope, groupId: string, event: MembershipEvent): Promise<number> {
    const { account, command } = envelope;
    const stream = streamName('membership', account, groupId);
    const _id = documentId(account, groupId);
    let head = (await this.heads.findOne({ _id })) ?? (await this.fromTail(_id, stream));
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const done = head.commands.find((one) => one.command === command);
      if (done) return done.position;
      try {
        const expected = head.revision < 0 ? 'no_stream' : head.revision;
        const { revision, position } = await this.store.append(stream, [event], expected, envelope);
        await this.save(withCommands(head, revision, [{ command, position }]));
        return position;
      } catch (error) {
        if (!(error instanceof WrongRevision)) throw error;
        await new Promise((resolve) => setTimeout(resolve, attempt * 10 * Math.random()));
        head = await this.refresh(head, stream);
      }
    }
    throw new Refusal('service:busy', { category: 'membership' });
  }

  private async fromTail(_id: string, stream: string): Promise<MembershipHead> {
    const facts = await this.store.read(stream, { backwards: true, max: TAIL });
    const empty: MembershipHead = { _id, revision: -1, commands: [] };
    return this.withFacts(empty, facts.reverse());
  }

  private async refresh(head: MembershipHead, stream: string): Promise<MembershipHead> {
    return this.withFacts(head, await this.store.read(stream, { from: head.revision + 1 }));
  }

  private async withFacts(head: MembershipHead, facts: readonly Fact[]): Promise<MembershipHead> {
    const last = facts.at(-1);
    if (!last) return head;
    const end = facts.every((fact) => fact.position > 0) ? 0 : await this.store.lastPosition();
    const done = facts.map((fact) => ({ command: fact.meta.command, position: fact.position || end }));
    const current = withCommands(head, last.revision, done);
    await this.save(current);
    return current;
  }

  private async save(head: MembershipHead): Promise<void> {
    const guarded = { _id: head._id, revision: { $lt: head.revision } };
    try {
      await this.heads.updateOne(guarded, { $set: head }, { upsert: true });
    } catch (error) {
      if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
    }
  }
}

function withCommands(
  head: MembershipHead,
  revision: number,
  done: readonly { command: string; position: number }[],
): MembershipHead {
  return { ...head, revision, commands: [...head.commands, ...done].slice(-COMMANDS_KEPT) };
}
