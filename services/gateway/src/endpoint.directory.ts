import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import type { Id } from '@muster/contracts/ids';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { settled } from '@muster/runtime/settled';

const CHECK_MS = 2_000;
/** The directory is only in memory: nothing is lost when its follower is left in the middle of a pause. */
const STOP_MS = 500;

/**
 * Which account an endpoint belongs to, in memory: a carrier's address names only the endpoint. Follows the `endpoint-`
 * streams from their beginning.
 */
@Injectable()
export class EndpointDirectory implements OnModuleInit, OnModuleDestroy {
  private readonly accounts = new Map<Id, Id>();
  private follower: Follower | null = null;
  private checking: Promise<boolean> | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly readiness: Readiness,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    const follower = this.follow('endpoints', null);
    this.follower = follower;
    this.readiness.register('endpoints', () => follower.live);
  }

  async onModuleDestroy(): Promise<void> {
    if (this.follower) await settled(this.follower.stop(), AbortSignal.timeout(STOP_MS));
  }

  /**
   * The account of an endpoint. One that is not known is looked for to the end of the log before it is denied, so that
   * no carrier is turned away because this replica lags.
   * @throws Refusal `endpoint:not_found` when there is certainly none, `service:unavailable` when that is not certain.
   */
  async accountOf(endpointId: Id): Promise<Id> {
    const known = this.accounts.get(endpointId);
    if (known !== undefined) return known;
    const certain = this.follower?.live === true && (await this.lookToTheEnd());
    const found = this.accounts.get(endpointId);
    if (found !== undefined) return found;
    throw new Refusal(certain ? 'endpoint:not_found' : 'service:unavailable');
  }

  /** Whoever asks while a look is under way waits for the next one: theirs must begin after their question. */
  private async lookToTheEnd(): Promise<boolean> {
    const before = this.checking;
    if (before !== null) {
      await before;
      if (this.checking !== null && this.checking !== before) return this.checking;
    }
    this.checking = this.readRest().finally(() => (this.checking = null));
    return this.checking;
  }

  private async readRest(): Promise<boolean> {
    const position = this.follower?.position ?? -1;
    const look = this.follow('endpoints.look', position < 0 ? null : position);
    try {
      return await settled(look.caughtUp(), AbortSignal.timeout(CHECK_MS));
    } finally {
      await settled(look.stop(), AbortSignal.timeout(STOP_MS));
    }
  }

  private follow(name: string, from: number | null): Follower {
    return this.store.follow({
      name,
      from,
      categories: ['endpoint'],
      unseal: false,
      handle: async (facts) => facts.forEach((fact) => this.fold(fact)),
      onError: (error) => this.log.error('the endpoint directory lost its subscription', error, { name }),
    });
  }

  private fold(fact: Fact): void {
    if (fact.type === 'EndpointAdded') this.accounts.set(fact.streamId, fact.account);
    if (fact.type === 'EndpointRemoved') this.accounts.delete(fact.streamId);
  }
}
