import type { DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import type { ComplianceEnv } from './config.js';
import { ConsentCommands } from './consent.commands.js';
import { ConsentQueries } from './consent.queries.js';
import { ConsentViews } from './consent.views.js';
import { Gate } from './gate.js';
import { Holdings } from './holdings.projection.js';
import { Ledger } from './ledger.js';

class ComplianceModule {}

/** All wiring of the compliance service; a test can host it beside its own. */
export function complianceModule(env: ComplianceEnv): DynamicModule {
  return {
    module: ComplianceModule,
    imports: [RuntimeModule.forService('compliance', env)],
    controllers: [ConsentCommands, ConsentQueries],
    providers: [Ledger, Holdings, ConsentViews, Gate],
  };
}
