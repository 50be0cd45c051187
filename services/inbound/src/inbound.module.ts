import type { DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import type { InboundEnv } from './config.js';
import { Driver } from './inbound.driver.js';
import { InboundQueries } from './inbound.queries.js';
import { InboundReactor } from './inbound.reactor.js';
import { InboundWebhooks } from './inbound.webhooks.js';
import { Mailbox } from './mailbox.js';
import { Switchboard } from './switchboard.js';
import { SwitchboardCommands } from './switchboard.commands.js';

class InboundModule {}

/** All wiring of the inbound service; a test can host it beside its own. */
export function inboundModule(env: InboundEnv): DynamicModule {
  return {
    module: InboundModule,
    imports: [RuntimeModule.forService('inbound', env)],
    controllers: [InboundWebhooks, InboundQueries, SwitchboardCommands],
    providers: [Mailbox, Switchboard, Driver, InboundReactor],
  };
}
