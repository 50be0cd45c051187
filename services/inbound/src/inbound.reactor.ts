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
  position: number;
  tries: number;
  dueAt: number;
}

const CHECKPOINT = 'inbound-reactor';
/** The webhook itself gets this long before the reactor takes a message up. */
const GRACE_MS = 3_000;
const TICK_MS = 500;
const PAUSE_MAX_MS = 60_000;
const AT_ONCE = 16;

/** Finishes every message that was received and has no outcome: a crash, or a store that was down, came in between. */
@Injectable()
export class InboundReactor {
  private readonly pending = new Map<string, Pending>();
  private follower: Follower | null = null;
  private ticking: NodeJS.Timeout | null = null;
  private busy: Promise<void> = Promise.resolve();
  private seen = -1;
  private stopped = false;

  constructor(
    private readonly store: EventStore,
    private readonly mailbox: Mailbox,
    private readonly driver: Driver,
    private readonly log: Log,
    private readonly readiness: Readiness,
  ) {
    readiness.register('inbound reactor', () => this.follower?.live ?? false);
  }

  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'inbound', () => this.start());
  }

  private async start(): Promise<void> {
    await this.mailbox.ensureIndexes();
    const from = await this.mailbox.checkpoints.load(CHECKPOINT);
    this.follower = this.store.follow({
      name: CHECKPOINT,
      categories: ['inbound'],
      from,
      unseal: false,
      handle: async (facts, upTo) => this.note(facts, upTo),
      onError: (error) => this.log.error('inbound reactor', error),
    });
    this.schedule();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    if (this.ticking) clearTimeout(this.ticking);
    await this.follower?.stop();
    await this.busy;
  }

  private note(facts: readonly Fact[], upTo: number): void {
    for (const fact of facts) {
      if (fact.type === 'InboundDone') this.pending.delete(fact.stream);
      if (fact.type !== 'InboundReceived') continue;
      const { account, streamId, position } = fact;
      this.pending.set(fact.stream, { account, streamId, position, tries: 0, dueAt: Date.now() + GRACE_MS });
    }
    this.seen = upTo;
  }

  private schedule(): void {
    this.ticking = setTimeout(() => {
      this.busy = this.tick()
        .catch((error: unknown) => this.log.error('inbound reactor', error))
        .finally(() => {
          if (!this.stopped) this.schedule();
        });
    }, TICK_MS);
  }

  private async tick(): Promise<void> {
    const now = Date.now();
    const due = [...this.pending].filter(([, pending]) => pending.dueAt <= now).slice(0, AT_ONCE);
    await Promise.all(due.map(([stream, pending]) => this.take(stream, pending)));
    const unfinished = [...this.pending.values()].map((pending) => pending.position - 1);
    const upTo = Math.min(this.seen, ...unfinished);
    if (upTo >= 0) await this.mailbox.checkpoints.advance(CHECKPOINT, upTo);
  }

  private async take(stream: string, pending: Pending): Promise<void> {
    try {
      await this.driver.drive(pending.account, pending.streamId);
      this.pending.delete(stream);
    } catch (error) {
      pending.tries += 1;
      pending.dueAt = Date.now() + Math.min(PAUSE_MAX_MS, 1_000 * 2 ** pending.tries);
      this.log.error('a message is not finished yet', error, { stream, tries: pending.tries });
    }
  }
}
