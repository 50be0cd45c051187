import { Injectable } from '@nestjs/common';
import type { ContactEvent } from '@muster/contracts/contact';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import type { Follower } from '@muster/event-store/follow';
import { Heads } from '@muster/event-store/heads';
import { repairHeads } from '@muster/event-store/repair';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { startWhenReachable } from '@muster/runtime/starting';
import type { mongo } from 'mongoose';
import { Claims } from './claims.js';
import { ensureIndexes, type ClaimDocument, type ContactHead } from './contact.model.js';
import { evolve, NO_CONTACT, type ContactState } from './domain/contact.js';

/** Contact streams, their heads, and the claims on numbers. */
@Injectable()
export class Registry {
  readonly decider: Decider<ContactState, ContactEvent>;
  readonly heads: mongo.Collection<ContactHead>;
  readonly claims: Claims;
  private repair: Follower | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly log: Log,
    private readonly readiness: Readiness,
  ) {
    this.heads = database.collection<ContactHead>('contact_heads');
    this.claims = new Claims(database.collection<ClaimDocument>('detail_claims'));
    this.decider = new Decider<ContactState, ContactEvent>({
      store,
      heads: new Heads<ContactState>(this.heads),
      category: 'contact',
      initial: NO_CONTACT,
      evolve: (state, event, { meta }) => evolve(state, event, { at: meta.at, source: meta.source.kind }),
    });
    readiness.register('contact heads', () => this.repair?.live ?? false);
  }

  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'registry', async () => {
      await ensureIndexes(this.heads);
      const checkpoints = new Checkpoints(this.database.collection('checkpoints'));
      this.repair = await repairHeads(this.store, this.decider, checkpoints, 'contact', (error) =>
        this.log.error('repair of contact heads', error),
      );
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.repair?.stop();
  }

  /** Live contacts of an account by identifier, for upserts by external id and e-mail. */
  async byIdentifiers(account: string, identifiers: readonly string[]): Promise<Map<string, ContactHead[]>> {
    const found = new Map<string, ContactHead[]>();
    if (identifiers.length === 0) return found;
    const filter = {
      account,
      'state.identifiers': { $in: [...new Set(identifiers)] },
    } as mongo.Filter<ContactHead>;
    for await (const head of this.heads.find(filter)) {
      for (const identifier of head.state.identifiers) {
        found.set(identifier, [...(found.get(identifier) ?? []), head as ContactHead]);
      }
    }
    return found;
  }
}
