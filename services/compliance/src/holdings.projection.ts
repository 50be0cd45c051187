import { Injectable } from '@nestjs/common';
import type { ConsentEvent, Standing } from '@muster/contracts/consent';
import type { ContactEvent } from '@muster/contracts/contact';
import { documentId } from '@muster/contracts/names';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { startWhenReachable } from '@muster/runtime/starting';
import type { mongo } from 'mongoose';
import type { ConsentHead, HoldingDocument } from './consent.model.js';
import { standingOf } from './domain/consent.js';
import { Ledger } from './ledger.js';

const HELD = 1;
const BASIS = 2;
const CHECKPOINT = 'holdings';

/** One change of who holds a detail. `basis` null takes the holder away. */
export interface HoldingChange {
  key: string;
  kind: 'phone' | 'email';
  contactId: string;
  basis: boolean | null;
}

/** What a contact event changes about who holds which detail. */
export function holdingChanges(event: ContactEvent, contactId: string): HoldingChange[] {
  switch (event.type) {
    case 'ContactRegistered':
      return event.data.details.map(({ key, kind }) => ({
        key,
        kind,
        contactId,
        basis: event.data.basis !== undefined,
      }));
    case 'DetailAdded':
      return [
        { key: event.data.key, kind: event.data.kind, contactId, basis: event.data.basis !== undefined },
      ];
    case 'DetailReleased':
      return [{ key: event.data.key, kind: event.data.kind, contactId, basis: null }];
    case 'ContactDeleted':
      return event.data.details.map(({ key, kind }) => ({ key, kind, contactId, basis: null }));
    default:
      return [];
  }
}

/** What the gate knows of the details of one account, looked up once for a whole batch. */
export class Remembered {
  constructor(
    private readonly flags: ReadonlyMap<string, number>,
    private readonly standings: ReadonlyMap<string, Standing>,
  ) {}

  isHeld(key: string): boolean {
    return ((this.flags.get(key) ?? 0) & HELD) !== 0;
  }

  hasBasis(key: string): boolean {
    return ((this.flags.get(key) ?? 0) & BASIS) !== 0;
  }

  standing(key: string): Standing {
    return this.standings.get(key) ?? 'none';
  }
}

/**
 * Keeps who holds which detail, in documents and in memory, and the standings of details in memory: what the send gate
 * answers from. Every replica keeps its own memory at its own position; heads newer than that are asked for beside it.
 */
@Injectable()
export class Holdings {
  private readonly documents: mongo.Collection<HoldingDocument>;
  private readonly checkpoints: Checkpoints;
  private readonly flags = new Map<string, Map<string, number>>();
  private readonly standings = new Map<string, Map<string, Standing>>();
  private follower: Follower | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly log: Log,
    private readonly readiness: Readiness,
    private readonly ledger: Ledger,
  ) {
    this.documents = database.collection<HoldingDocument>('holdings');
    this.checkpoints = new Checkpoints(database.collection('checkpoints'));
    readiness.register('send gate', () => this.follower?.live ?? false);
  }

  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'holdings', () => this.start());
  }

  private async start(): Promise<void> {
    const from = await this.checkpoints.load(CHECKPOINT);
    // A head that a crash left behind an event before the checkpoint would be taken into memory as it is, and nothing newer
    // would ever correct it.
    await this.ledger.repaired();
    await this.loadMemory();
    this.follower = this.store.follow({
      name: CHECKPOINT,
      categories: ['contact', 'consent'],
      from,
      unseal: false,
      handle: (facts, upTo) => this.handle(facts, upTo),
      onError: (error) => this.log.error('projection of holdings', error),
    });
  }

  async onModuleDestroy(): Promise<void> {
    await this.follower?.stop();
  }

  /** The position that the memory is exact for. */
  get position(): number {
    return this.follower?.position ?? -1;
  }

  /** What memory says of an account's details, now and as it changes. */
  of(account: string): Remembered {
    return new Remembered(inner(this.flags, account), inner(this.standings, account));
  }

  private async loadMemory(): Promise<void> {
    for await (const document of this.documents.find({})) this.remember(document);
    for await (const head of this.database.collection<ConsentHead>('consent_heads').find({})) {
      inner(this.standings, head.account).set(head.id, standingOf(head.state));
    }
  }

  private remember(document: HoldingDocument): void {
    const holders = Object.values(document.holders);
    const flags = (holders.length > 0 ? HELD : 0) | (holders.includes(true) ? BASIS : 0);
    const account = inner(this.flags, document.account);
    if (flags === 0) account.delete(document.key);
    else account.set(document.key, flags);
  }

  private async handle(facts: Fact[], upTo: number): Promise<void> {
    const changes = facts
      .filter((fact) => fact.category === 'contact')
      .flatMap((fact) =>
        holdingChanges(fact as unknown as ContactEvent, fact.streamId).map((change) => ({ fact, change })),
      );
    const ids = [...new Set(changes.map(({ fact, change }) => documentId(fact.account, change.key)))];
    const known = new Map<string, HoldingDocument>();
    if (ids.length > 0) {
      for await (const document of this.documents.find({ _id: { $in: ids } }))
        known.set(document._id, document);
    }
    const stored = new Set(known.keys());
    for (const { fact, change } of changes) {
      const id = documentId(fact.account, change.key);
      const before = known.get(id);
      if (before && before.position >= fact.position) continue;
      known.set(id, applyChange(before, fact, change));
    }
    const documents = [...known.values()];
    await this.insert(documents.filter(({ _id }) => !stored.has(_id)));
    await this.update(documents.filter(({ _id }) => stored.has(_id)));
    for (const document of known.values()) this.remember(document);
    for (const fact of facts) {
      if (fact.category !== 'consent') continue;
      const event = fact as unknown as ConsentEvent;
      inner(this.standings, fact.account).set(fact.streamId, event.data.standing);
    }
    await this.checkpoints.advance(CHECKPOINT, upTo);
  }

  /** Of many new documents at once an insert is a fraction of the work. Where another replica was quicker, it is guarded. */
  private async insert(documents: readonly HoldingDocument[]): Promise<void> {
    if (documents.length === 0) return;
    try {
      await this.documents.insertMany([...documents], { ordered: false });
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      await this.update(documents);
    }
  }

  /** Guarded by position: an upsert of an older document fails on its id, which means that a newer one is there. */
  private async update(documents: readonly HoldingDocument[]): Promise<void> {
    if (documents.length === 0) return;
    const operations = documents.map(({ _id, ...rest }) => ({
      updateOne: {
        filter: { _id, position: { $lt: rest.position } },
        update: { $set: rest },
        upsert: true,
      },
    }));
    try {
      await this.documents.bulkWrite(operations, { ordered: false });
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
  }
}

/** Whether nothing else went wrong than that ids were there already. */
function isDuplicate(error: unknown): boolean {
  const failures = (error as { writeErrors?: { code?: number } | { code?: number }[] }).writeErrors;
  const list = failures === undefined ? [] : Array.isArray(failures) ? failures : [failures];
  return list.length > 0 && list.every((failure) => failure.code === 11_000);
}

/** A detail with several holders keeps each one's basis; a second holding by the same contact replaces the first. */
function applyChange(
  before: HoldingDocument | undefined,
  fact: Fact,
  change: HoldingChange,
): HoldingDocument {
  const { [change.contactId]: _replaced, ...others } = before?.holders ?? {};
  const holders = change.basis === null ? others : { ...others, [change.contactId]: change.basis };
  return {
    _id: documentId(fact.account, change.key),
    account: fact.account,
    key: change.key,
    kind: change.kind,
    holders,
    position: fact.position,
  };
}

function inner<V>(outer: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const found = outer.get(key);
  if (found) return found;
  const made = new Map<string, V>();
  outer.set(key, made);
  return made;
}
