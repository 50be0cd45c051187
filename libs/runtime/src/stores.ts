import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing } from '@muster/event-store/keys';
import { databaseName, type ServiceName } from '@muster/contracts/names';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Closing } from './closing.js';
import type { RuntimeEnv } from './config.js';
import { Database } from './database.js';
import type { Log } from './log.js';
import type { Readiness } from './readiness.js';
import { settled } from './settled.js';

const FOLLOWER_MS = 500;

interface Edge {
  log: Log;
  readiness: Readiness;
  closing: Closing;
}

/**
 * Opens what a service keeps its data in and closes it after everything else. None of it has to be up when
 * the service starts: the readiness checks say what is awaited.
 */
@Injectable()
export class Stores implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly database: Database;
  readonly keys: KeyRing;
  readonly eventStore: EventStore;
  readonly accounts: Accounts;
  private areAccountsKnown = false;

  constructor(
    service: ServiceName,
    env: RuntimeEnv,
    private readonly edge: Edge,
  ) {
    const { log, readiness, closing } = edge;
    const keys = new Database(env.MONGO_URL, databaseName('keys'), log);
    this.database = new Database(env.MONGO_URL, databaseName(service), log);
    this.keys = new KeyRing(keys.connection, Buffer.from(env.MASTER_KEY, 'base64'));
    this.eventStore = new EventStore(env.EVENTSTORE_URL, this.keys);
    this.accounts = new Accounts(this.eventStore);
    readiness.register('mongo', async () => (await this.database.ping()) && keys.ping());
    readiness.register('eventstore', () => this.isEventStoreUp());
    readiness.register('accounts', () => this.areAccountsKnown);
    closing.add('eventstore', () => this.eventStore.close());
    closing.add('mongo', () => this.database.close());
    closing.add('keys', () => keys.close());
  }

  /** Not awaited: the event store may be down, and the health port must open nevertheless. */
  onApplicationBootstrap(): void {
    const { log } = this.edge;
    this.accounts
      .start((error) => log.error('accounts not followed', error))
      .then(
        () => (this.areAccountsKnown = true),
        (error: unknown) => log.error('accounts not followed', error),
      );
  }

  /**
   * The accounts are only in memory: nothing is lost when their follower is left in the middle of a pause.
   */
  async onApplicationShutdown(): Promise<void> {
    await settled(this.accounts.stop(), AbortSignal.timeout(FOLLOWER_MS));
  }

  private async isEventStoreUp(): Promise<boolean> {
    await this.eventStore.lastPosition();
    return true;
  }
}
