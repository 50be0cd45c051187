import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import { KeyRing } from '@muster/event-store/keys';
import type { ServiceName } from '@muster/contracts/names';
import { Module, type DynamicModule } from '@nestjs/common';
import { Closing } from './closing.js';
import type { RuntimeEnv } from './config.js';
import { Database } from './database.js';
import { EdgeModule } from './edge.module.js';
import { Log } from './log.js';
import { Readiness } from './readiness.js';
import { Stores } from './stores.js';

/**
 * Everything that a service needs from outside itself, by class: Bus, Readiness, Log, Metrics and
 * ServiceEnv of EdgeModule, and EventStore, KeyRing, Accounts and the service's own Database.
 */
@Module({})
export class RuntimeModule {
  static forService(service: ServiceName, env: RuntimeEnv): DynamicModule {
    const edge = EdgeModule.forService(service, env);
    return {
      module: RuntimeModule,
      global: true,
      imports: [edge],
      providers: [
        {
          provide: Stores,
          inject: [Log, Readiness, Closing],
          useFactory: (log: Log, readiness: Readiness, closing: Closing) =>
            new Stores(service, env, { log, readiness, closing }),
        },
        { provide: Database, inject: [Stores], useFactory: (stores: Stores) => stores.database },
        { provide: KeyRing, inject: [Stores], useFactory: (stores: Stores) => stores.keys },
        { provide: EventStore, inject: [Stores], useFactory: (stores: Stores) => stores.eventStore },
        { provide: Accounts, inject: [Stores], useFactory: (stores: Stores) => stores.accounts },
      ],
      exports: [edge, Database, KeyRing, EventStore, Accounts],
    };
  }
}
