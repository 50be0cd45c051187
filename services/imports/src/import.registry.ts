import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import type { Id } from '@muster/contracts/ids';
import type { ImportEvent } from '@muster/contracts/import';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { withDone } from '@muster/event-store/done-commands';
import { Heads, type Head } from '@muster/event-store/heads';
import { repairHeads } from '@muster/event-store/repair';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import type { mongo } from 'mongoose';
import { evolve, NO_IMPORT, type ImportAggregate } from './domain/import.js';

export type ImportHead = Head<ImportAggregate>;
type HeadDocument = ImportHead & { _id: string };

const PAGE_EVENTS = 200;

/** Import streams and their heads. */
@Injectable()
export class ImportRegistry implements OnModuleInit, OnModuleDestroy {
  readonly decider: Decider<ImportAggregate, ImportEvent>;
  private readonly heads: mongo.Collection<HeadDocument>;
  private repair: Follower | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly log: Log,
    readiness: Readiness,
  ) {
    this.heads = database.collection<HeadDocument>('import_heads');
    this.decider = new Decider<ImportAggregate, ImportEvent>({
      store,
      heads: new Heads<ImportAggregate>(this.heads),
      category: 'import',
      initial: NO_IMPORT,
      evolve: (state, event, { meta }) => evolve(state, event, meta),
    });
    readiness.register('import heads', () => this.repair?.live ?? false);
  }

  async onModuleInit(): Promise<void> {
    // The list of an account's imports, newest first.
    await this.heads.createIndex({ account: 1, 'state.createdAt': -1, id: -1 }, { name: 'newest' });
    // Imports that must have a job.
    await this.heads.createIndex({ 'state.phase': 1 }, { name: 'by_phase' });
    const checkpoints = new Checkpoints(this.database.collection('checkpoints'));
    this.repair = await repairHeads(this.store, this.decider, checkpoints, 'import', (error) =>
      this.log.error('repair of import heads', error),
    );
  }

  async onModuleDestroy(): Promise<void> {
    await this.repair?.stop();
  }

  /** Imports that were started and have not ended, of all accounts. */
  async running(): Promise<{ account: Id; importId: Id }[]> {
    const filter = { 'state.phase': 'running' } as mongo.Filter<HeadDocument>;
    const found = await this.heads.find(filter, { projection: { account: 1, id: 1 } }).toArray();
    return found.map(({ account, id }) => ({ account, importId: id }));
  }

  /** Imports of an account, newest first, behind the one at `after`. */
  async newest(account: Id, after: { at: string; id: Id } | null, limit: number): Promise<ImportHead[]> {
    const older = after && {
      $or: [{ 'state.createdAt': { $lt: after.at } }, { 'state.createdAt': after.at, id: { $lt: after.id } }],
    };
    const filter = { account, ...older } as mongo.Filter<HeadDocument>;
    return this.heads.find(filter).sort({ 'state.createdAt': -1, id: -1 }).limit(limit).toArray();
  }

  /**
   * Appends at the revision that was read and makes the head current. Unlike `Decider.execute` it never looks for the
   * command in the stream, which grows by an event for each chunk, and never decides again: the caller does.
   * @throws WrongRevision when others were quicker; Refusal `service:unavailable` when the outcome is unknown
   */
  async append(head: ImportHead, events: readonly ImportEvent[], envelope: Envelope): Promise<ImportHead> {
    const stream = this.decider.streamOf(head.account, head.id);
    const { revision, position } = await this.store.append(stream, events, head.revision, envelope);
    const types = events.map((event) => event.type);
    const next: ImportHead = {
      ...head,
      state: events.reduce((state, event) => evolve(state, event, envelope), head.state),
      revision,
      position,
      ...withDone(head, { command: envelope.command, types, revision, position }),
    };
    await this.decider.heads.save([next]);
    return next;
  }

  /** Every event of an import, oldest first, one page at a time. */
  async *events(account: Id, importId: Id): AsyncGenerator<Fact<ImportEvent>> {
    const stream = this.decider.streamOf(account, importId);
    for (let from = 0; ; from += PAGE_EVENTS) {
      const facts = await this.store.read(stream, { from, max: PAGE_EVENTS });
      yield* facts as unknown as Fact<ImportEvent>[];
      if (facts.length < PAGE_EVENTS) return;
    }
  }
}
