import { Injectable } from '@nestjs/common';
import type { InboundEvent } from '@muster/contracts/inbound';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import type { Follower } from '@muster/event-store/follow';
import { Heads, type Head } from '@muster/event-store/heads';
import type { DataKey } from '@muster/event-store/keys';
import { repairHeads } from '@muster/event-store/repair';
import { documentId } from '@muster/contracts/names';
import { Database } from '@muster/runtime/database';
import type { mongo } from 'mongoose';
import { evolve, NOT_RECEIVED, type InboundState } from './domain/inbound.js';
import { ensureIndexes, type InboundHead } from './inbound.model.js';

/** The stream of every message received. Texts are sealed under the key of the number they came from. */
@Injectable()
export class Mailbox {
  readonly decider: Decider<InboundState, InboundEvent>;
  readonly heads: mongo.Collection<InboundHead>;
  readonly checkpoints: Checkpoints;

  constructor(
    private readonly store: EventStore,
    database: Database,
  ) {
    this.heads = database.collection<InboundHead>('inbound_heads');
    this.checkpoints = new Checkpoints(database.collection('checkpoints'));
    this.decider = new Decider<InboundState, InboundEvent>({
      store,
      heads: new Heads<InboundState>(this.heads),
      category: 'inbound',
      initial: NOT_RECEIVED,
      evolve,
      keyFor: (account, _id, events) => this.keyFor(account, events),
    });
  }

  async ensureIndexes(): Promise<void> {
    await ensureIndexes(this.heads);
  }

  /** Makes heads current that a crash left behind, so that the list shows them as they are. */
  repair(onError: (error: unknown) => void): Promise<Follower> {
    return repairHeads(this.store, this.decider, this.checkpoints, 'inbound', onError);
  }

  /** True for one caller, of all deliveries of a message to all replicas: it alone may reply. Settles the head, too. */
  async claimReply(head: Head<InboundState>): Promise<boolean> {
    if (await this.decider.settleWith(head, { replied: true })) return true;
    const filter = { _id: documentId(head.account, head.id), replied: { $exists: false } };
    const { modifiedCount } = await this.heads.updateOne(filter, { $set: { replied: true } });
    return modifiedCount === 1;
  }

  private async keyFor(account: string, events: readonly InboundEvent[]): Promise<DataKey> {
    const received = events.find((event) => event.type === 'InboundReceived');
    const detailKey = received?.data.detailKey;
    if (detailKey) return this.store.keys.keyOfDetail(account, detailKey);
    return (await this.store.keys.newKeys(1))[0] as DataKey;
  }
}
