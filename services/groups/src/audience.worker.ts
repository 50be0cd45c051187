import { createHash, randomUUID } from 'node:crypto';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { EventStore } from '@muster/event-store/event-store';
import { Database } from '@muster/runtime/database';
import { ServiceEnv } from '@muster/runtime/edge.module';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import type { AccountState } from './account.state.js';
import { AudienceLoop, LoopObserver } from './audience.loop.js';
import { audienceCollections, ensureIndexes, type AudienceCollections } from './audience.model.js';
import { AudienceStore, Overtaken } from './audience.store.js';
import type { GroupsEnv } from './config.js';
import { Lease, type LeaseDocument } from './lease.js';

/** How long a query waits for the model to reach the position that it asks for, in milliseconds. */
const WAIT_MS = 3_000;
const POLL_MS = 40;

/** The partition of an account: the same in every replica, whatever its order of events. */
export function partitionOf(account: string, partitions: number): number {
  return createHash('sha256').update(account).digest().readUInt32BE(0) % partitions;
}

/** What a query needs of the model of one account. */
export interface AudienceView {
  /** Every event up to here is in `state` and in the documents. */
  position: number;
  state: AccountState;
}

/** One share of the accounts: a candidate for its loop, and the loop while this replica owns it. */
class Partition {
  loop: AudienceLoop | null = null;
  private stopped = false;
  private wake: () => void = () => {};
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly lease: Lease,
    private readonly renewMs: number,
    private readonly makeLoop: (onFenced: () => void) => AudienceLoop,
    private readonly log: Log,
  ) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        if (await this.lease.take()) await this.lead();
      } catch (error) {
        this.log.error('audience loop', error);
      }
      if (!this.stopped) await this.pause();
    }
  }

  private async lead(): Promise<void> {
    const loop = this.makeLoop(() => this.wake());
    try {
      await loop.start();
      this.loop = loop;
      while (!this.stopped && !loop.fenced && (await this.keep())) await this.pause();
      if (loop.fenced) this.log.warn('audience loop fenced');
    } finally {
      this.loop = null;
      await loop.stop();
      if (!loop.fenced) await this.lease.release().catch(() => undefined);
    }
  }

  /** Renews the lease. A store that does not answer is no reason to give it up: the checkpoint is what fences. */
  private async keep(): Promise<boolean> {
    try {
      return await this.lease.take();
    } catch (error) {
      this.log.error('lease not renewed', error);
      return true;
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.renewMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The loops of this replica, and what queries may ask of them. */
@Injectable()
export class Audiences implements OnModuleInit, OnModuleDestroy {
  readonly collections: AudienceCollections;
  private readonly checkpoints: Checkpoints;
  private readonly partitions: Partition[] = [];
  private readonly settings: GroupsEnv;
  private starting: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly log: Log,
    readiness: Readiness,
    env: ServiceEnv<GroupsEnv>,
    private readonly observer: LoopObserver,
  ) {
    this.settings = env.env;
    this.collections = audienceCollections(database);
    this.checkpoints = new Checkpoints(database.collection('checkpoints'));
    readiness.register('audience model', () => this.isCaughtUp());
  }

  /** Not awaited: the stores may be down, and the health port must open nevertheless. */
  onModuleInit(): void {
    this.starting = this.begin();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await this.starting;
    await Promise.all(this.partitions.map((partition) => partition.stop()));
  }

  private async begin(): Promise<void> {
    while (!this.stopped) {
      try {
        await ensureIndexes(this.collections);
        break;
      } catch (error) {
        this.log.error('indexes not ensured', error);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
    if (this.stopped) return;
    const owner = randomUUID();
    const { PARTITIONS, LEASE_MS } = this.settings;
    const leases = this.database.collection<LeaseDocument>('leases');
    const audience = new AudienceStore(this.collections, this.store.keys);
    for (let index = 0; index < PARTITIONS; index += 1) {
      const name = checkpointName(index, PARTITIONS);
      const makeLoop = (onFenced: () => void): AudienceLoop =>
        new AudienceLoop({
          name,
          store: this.store,
          audience,
          checkpoints: this.checkpoints,
          owns: (account) => partitionOf(account, PARTITIONS) === index,
          onError: (error) => this.report(error),
          onFenced,
          observer: this.observer,
        });
      const lease = new Lease(leases, name, owner, LEASE_MS);
      this.partitions.push(new Partition(lease, LEASE_MS / 3, makeLoop, this.log));
    }
    this.partitions.forEach((partition) => partition.start());
  }

  private report(error: unknown): void {
    if (error instanceof Overtaken) this.log.warn('audience batch repeated', { reason: error.message });
    else this.log.error('audience loop', error);
  }

  private isCaughtUp(): boolean {
    return this.partitions.length > 0 && this.partitions.every((partition) => partition.loop?.live);
  }

  private loopOf(account: string): AudienceLoop | null {
    return this.partitions[partitionOf(account, this.settings.PARTITIONS)]?.loop ?? null;
  }

  /**
   * Waits until the model has reached a position, and answers the one it has.
   * @throws Refusal `read:behind` after three seconds
   */
  async reach(account: string, atLeast: number | undefined): Promise<number> {
    const loop = this.loopOf(account);
    if (atLeast !== undefined) {
      const reached = loop
        ? await loop.reached(atLeast, WAIT_MS)
        : await this.pollCheckpoint(account, atLeast);
      if (!reached)
        throw new Refusal('read:behind', { position: Math.max(0, await this.storedPosition(account)) });
    }
    return Math.max(0, loop?.position ?? (await this.storedPosition(account)));
  }

  /**
   * The model in memory, at least at a position.
   * @throws Refusal `read:behind`; `service:unavailable` when another replica owns the account
   */
  async view(account: string, atLeast?: number): Promise<AudienceView> {
    await this.reach(account, atLeast);
    const loop = this.loopOf(account);
    if (!loop) throw new Refusal('service:unavailable', { part: 'audience model' });
    const state = await loop.state(account);
    return { position: Math.max(0, loop.position), state };
  }

  /** The model in memory if it gets to a position soon; null if it does not. */
  async soon(account: string, position: number, timeoutMs: number): Promise<AudienceView | null> {
    const loop = this.loopOf(account);
    if (!loop || !(await loop.reached(position, timeoutMs))) return null;
    const state = await loop.state(account);
    return { position: Math.max(0, loop.position), state };
  }

  private async storedPosition(account: string): Promise<number> {
    const { PARTITIONS } = this.settings;
    return (await this.checkpoints.load(checkpointName(partitionOf(account, PARTITIONS), PARTITIONS))) ?? -1;
  }

  private async pollCheckpoint(account: string, position: number): Promise<boolean> {
    const end = performance.now() + WAIT_MS;
    while ((await this.storedPosition(account)) < position) {
      if (performance.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }
}

/** Other shares are other readers: changing the number of partitions reads the log anew, which changes nothing. */
function checkpointName(index: number, partitions: number): string {
  return `audience:${partitions}:${index}`;
}
