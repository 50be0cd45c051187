import { setTimeout as sleep } from 'node:timers/promises';
import {
  START,
  streamNameFilter,
  type AllStreamSubscription,
  type EventStoreDBClient,
} from '@eventstore/db-client';
import { categoryPrefix, type Category } from '@muster/contracts/names';
import { decodeFacts, type Fact, type RawFact } from './facts.js';
import type { KeyRing } from './keys.js';
import { toRaw } from './recorded.js';

export interface FollowOptions {
  /** For log lines. */
  name: string;
  categories: readonly Category[];
  /** Exclusive; null follows from the beginning. */
  from: number | null;
  /**
   * Called with one batch at a time, in order. `upTo` covers filtered-out events as well: a checkpoint may move there
   * in the same write as the read model. When it throws, the same batch comes again after a pause.
   */
  handle?: (facts: Fact[], upTo: number) => Promise<void>;
  /** Instead of `handle`: events as the store gives them, for who needs to know only that they happened. */
  handleRaw?: (raws: RawFact[], upTo: number) => Promise<void>;
  batchMax?: number;
  /**
   * How long events may be gathered once the end of the log was reached, in milliseconds: one batch of ten costs little more
   * than one of one. Whoever waits for a position is not kept waiting. Default 0: every event is handled as it comes.
   */
  lingerMs?: number;
  /** Without it personal values stay sealed, which saves reading keys. */
  unseal?: boolean;
  onError?: (error: unknown) => void;
}

const QUEUE_HIGH = 4_000;
const QUEUE_LOW = 1_000;
const BATCH_MAX = 500;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 5_000;

/** A place in the subscription that says: everything up to `position` has been handed over. */
interface Marker {
  afterReceived: number;
  position: number | null;
  caughtUp: boolean;
}

/** One subscription and what came through it; a broken one is left behind with its counters. */
interface Session {
  subscription: AllStreamSubscription;
  queue: RawFact[];
  markers: Marker[];
  received: number;
  handled: number;
}

/**
 * A catch-up subscription that never gives up: the client's own subscriptions end with the connection, so this one
 * subscribes again from the last handled position. `position` is what the handler has finished with.
 */
export class Follower {
  /** Last handled position; -1 before the first. */
  position: number;
  /** True once everything that was in the log at the start has been handled. */
  live = false;

  private session: Session | null = null;
  private stopped = false;
  private readonly stopping = new AbortController();
  private wake: () => void = () => {};
  private hurry: () => void = () => {};
  private readonly liveWaiters: (() => void)[] = [];
  private readonly positionWaiters = new Set<{ position: number; resolve: (reached: boolean) => void }>();
  private readonly loops: Promise<unknown>;

  constructor(
    private readonly client: EventStoreDBClient,
    private readonly keys: KeyRing,
    private readonly options: FollowOptions,
  ) {
    this.position = options.from ?? -1;
    this.loops = Promise.all([this.keepSubscribed(), this.work()]);
  }

  /** Settles when the follower has once reached the end of the log. */
  caughtUp(): Promise<void> {
    if (this.live) return Promise.resolve();
    return new Promise((resolve) => this.liveWaiters.push(resolve));
  }

  /** Waits until a position is handled; false when that took longer than `timeoutMs`. */
  reached(position: number, timeoutMs: number): Promise<boolean> {
    if (this.position >= position) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = { position, resolve };
      const timer = setTimeout(() => {
        this.positionWaiters.delete(waiter);
        resolve(false);
      }, timeoutMs);
      waiter.resolve = (reached) => {
        clearTimeout(timer);
        resolve(reached);
      };
      this.positionWaiters.add(waiter);
      this.hurry();
    });
  }

  /** Ends after the batch at hand. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.stopping.abort();
    this.wake();
    this.hurry();
    await this.session?.subscription.unsubscribe().catch(() => {});
    await this.loops;
  }

  private async keepSubscribed(): Promise<void> {
    let pauseMs = PAUSE_MIN_MS;
    while (!this.stopped) {
      await this.subscribeOnce();
      if (this.stopped) return;
      pauseMs =
        this.session && this.session.received > 0 ? PAUSE_MIN_MS : Math.min(pauseMs * 2, PAUSE_MAX_MS);
      await this.pause(pauseMs * (0.5 + Math.random()));
    }
  }

  /** One subscription from its start to its end; settles when it is broken or stopped. */
  private subscribeOnce(): Promise<void> {
    const from =
      this.position < 0 ? START : { commit: BigInt(this.position), prepare: BigInt(this.position) };
    return new Promise((resolve) => {
      const subscription = this.client.subscribeToAll({
        fromPosition: from,
        filter: streamNameFilter({
          prefixes: this.options.categories.map(categoryPrefix),
          checkpointInterval: 100,
          checkpointReached: (_subscription, position) => this.mark(session, Number(position.commit), false),
        }),
      });
      const session: Session = { subscription, queue: [], markers: [], received: 0, handled: 0 };
      this.session = session;
      const end = (error?: unknown): void => {
        if (error && !this.stopped) this.options.onError?.(error);
        subscription.removeAllListeners('data');
        subscription.on('error', () => {});
        void subscription.unsubscribe().catch(() => {});
        resolve();
      };
      subscription
        .on('data', ({ event }) => {
          if (event) this.take(session, toRaw(event));
        })
        .on('caughtUp', () => this.mark(session, null, true))
        .on('error', end)
        .on('end', () => end())
        .on('close', () => end());
      if (this.stopped) end();
    });
  }

  private take(session: Session, raw: RawFact): void {
    session.received += 1;
    session.queue.push(raw);
    if (session.queue.length >= this.batchMax) this.hurry();
    if (session.queue.length >= QUEUE_HIGH) session.subscription.pause();
    this.wake();
  }

  /**
   * The client announces checkpoints and the end of catching up at once, while earlier events may still wait in its
   * buffer. The marker therefore counts only after as many events as had been passed on plus those in the buffer.
   */
  private mark(session: Session, position: number | null, caughtUp: boolean): void {
    const afterReceived = session.received + session.subscription.readableLength;
    session.markers.push({ afterReceived, position, caughtUp });
    this.wake();
  }

  private async work(): Promise<void> {
    let pauseMs = PAUSE_MIN_MS;
    while (!this.stopped) {
      const session = this.session;
      if (!session || !hasWork(session)) {
        await new Promise<void>((resolve) => (this.wake = resolve));
        continue;
      }
      await this.gather(session);
      if (session !== this.session) continue;
      try {
        await this.handleBatch(session);
        pauseMs = PAUSE_MIN_MS;
      } catch (error) {
        this.options.onError?.(error);
        await this.pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
      }
    }
  }

  private get batchMax(): number {
    return this.options.batchMax ?? BATCH_MAX;
  }

  /** Lets more events come, unless enough are there, somebody waits, or the end of the log was not reached yet. */
  private async gather(session: Session): Promise<void> {
    const { lingerMs = 0 } = this.options;
    const isEnough = session.queue.length >= this.batchMax || this.positionWaiters.size > 0;
    if (lingerMs === 0 || !this.live || this.stopped || isEnough) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, lingerMs);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.hurry = () => {};
  }

  private async handleBatch(session: Session): Promise<void> {
    const batch = session.queue.slice(0, this.batchMax);
    const end = session.handled + batch.length;
    const due = session.markers.filter((marker) => marker.afterReceived <= end);
    const fresh = batch.filter((raw) => raw.position > this.position);
    const checkpoint = Math.max(-1, ...due.map((marker) => marker.position ?? -1));
    const upTo = Math.max(fresh.at(-1)?.position ?? -1, checkpoint);
    if (upTo > this.position) {
      await this.options.handleRaw?.(fresh, upTo);
      if (this.options.handle) {
        const facts = await decodeFacts(fresh, this.options.unseal === false ? null : this.keys);
        await this.options.handle(facts, upTo);
      }
      this.position = upTo;
    }
    session.handled = end;
    session.queue.splice(0, batch.length);
    session.markers = session.markers.filter((marker) => !due.includes(marker));
    if (session.subscription.isPaused() && session.queue.length <= QUEUE_LOW) session.subscription.resume();
    if (due.some((marker) => marker.caughtUp)) this.goLive();
    this.release();
  }

  /** Ends at once when the follower is stopped. */
  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => {});
  }

  private goLive(): void {
    this.live = true;
    this.liveWaiters.splice(0).forEach((resolve) => resolve());
  }

  private release(): void {
    for (const waiter of this.positionWaiters) {
      if (waiter.position > this.position) continue;
      this.positionWaiters.delete(waiter);
      waiter.resolve(true);
    }
  }
}

function hasWork(session: Session): boolean {
  return (
    session.queue.length > 0 || session.markers.some((marker) => marker.afterReceived <= session.handled)
  );
}
