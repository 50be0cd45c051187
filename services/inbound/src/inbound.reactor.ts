import { Injectable } from '@nestjs/common';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { startWhenReachable } from '@muster/runtime/starting';
import { Driver } from './inbound.driver.js';
import { Mailbox } from './mailbox.js';

interface Pending {
  account: string;
  streamId: string;
  /** The last position before the message: a checkpoint may move there and no further while it is unfinished. */
  before: number;
  tries: number;
  dueAt: number;
}

const CHECKPOINT = 'inbound-reactor';
/** The webhook itself gets this long before the reactor takes a message up. */
const GRACE_MS = 3_000;
const TICK_MS = 500;
const PAUSE_MAX_MS = 60_000;
const AT_ONCE = 16;
/** With so many unfinished messages in memory the subscription waits; the log keeps the rest. */
const PENDING_MAX = 10_000;

/** Finishes every message that was received and has no outcome: a crash, or a store that was down, came in between. */
@Injectable()
export class InboundReactor {
  private readonly pending = new Map<string, Pending>();
  private readonly followers: Follower[] = [];
  private ticking: NodeJS.Timeout | null = null;
  private busy: Promise<void> = Promise.resolve();
  private seen = -1;
  private stopped = false;
  private room: () => void = () => {};

  constructor(
    private readonly store: EventStore,
    private readonly mailbox: Mailbox,
    private readonly driver: Driver,
    private readonly log: Log,
    private readonly readiness: Readiness,
  ) {}

  /** A webhook drives its own message, so a replica is ready before the unfinished ones of others are read. */
  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'inbound', () => this.start());
  }

  private async start(): Promise<void> {
    await this.mailbox.ensureIndexes();
    const from = await this.mailbox.checkpoints.load(CHECKPOINT);
    const onError = (error: unknown): void => this.log.error('inbound reactor', error);
    const repair = await this.mailbox.repair(onError);
    if (this.stopped) return repair.stop();
    this.seen = from ?? -1;
    const handle = (facts: Fact[], upTo: number): Promise<void> => this.note(facts, upTo);
    const follow = {
      name: CHECKPOINT,
      categories: ['inbound' as const],
      from,
      unseal: false,
      lingerMs: TICK_MS,
      handle,
      onError,
    };
    this.followers.push(repair, this.store.follow(follow));
    this.schedule(TICK_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    this.room();
    if (this.ticking) clearTimeout(this.ticking);
    await Promise.all(this.followers.map((follower) => follower.stop()));
    await this.busy;
  }

  private async note(facts: readonly Fact[], upTo: number): Promise<void> {
    for (const fact of facts) {
      const before = this.seen;
      this.seen = fact.position;
      if (fact.type === 'InboundDone') this.pending.delete(fact.stream);
      if (fact.type !== 'InboundReceived') continue;
      const { account, streamId } = fact;
      this.pending.set(fact.stream, { account, streamId, before, tries: 0, dueAt: Date.now() + GRACE_MS });
    }
    this.seen = upTo;
    while (this.pending.size >= PENDING_MAX && !this.stopped) {
      await new Promise<void>((resolve) => (this.room = resolve));
    }
  }

  private schedule(pauseMs: number): void {
    this.ticking = setTimeout(() => {
      let pause = TICK_MS;
      this.busy = this.tick()
        .then((finished) => {
          if (finished) pause = 0;
        })
        .catch((error: unknown) => this.log.error('inbound reactor', error))
        .finally(() => {
          this.room();
          if (!this.stopped) this.schedule(pause);
        });
    }, pauseMs);
  }

  /** Takes up those that are due, oldest first. True when a message was finished and more may be, at once. */
  private async tick(): Promise<boolean> {
    const now = Date.now();
    const due: [string, Pending][] = [];
    for (const entry of this.pending) {
      if (entry[1].dueAt <= now) due.push(entry);
      if (due.length === AT_ONCE) break;
    }
    const finished = await Promise.all(due.map(([stream, pending]) => this.take(stream, pending)));
    let upTo = this.seen;
    for (const pending of this.pending.values()) upTo = Math.min(upTo, pending.before);
    if (upTo >= 0) await this.mailbox.checkpoints.advance(CHECKPOINT, upTo);
    return finished.includes(true);
  }

  private async take(stream: string, pending: Pending): Promise<boolean> {
    try {
      const { head } = await this.driver.drive(pending.account, pending.streamId);
      await this.mailbox.decider.settle(head);
      this.pending.delete(stream);
      return true;
    } catch (error) {
      pending.tries += 1;
      pending.dueAt = Date.now() + Math.min(PAUSE_MAX_MS, 1_000 * 2 ** pending.tries);
      this.log.error('a message is not finished yet', error, { stream, tries: pending.tries });
      return false;
    }
  }
}
