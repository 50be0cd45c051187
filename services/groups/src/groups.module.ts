import type { DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import { LoopObserver } from './audience.loop.js';
import { AudienceQueries } from './audience.queries.js';
import { Questions } from './audience.question.js';
import { Audiences } from './audience.worker.js';
import type { GroupsEnv } from './config.js';
import { GroupCommands } from './group.commands.js';
import { GroupDirectory } from './group.directory.js';
import { GroupQueries } from './group.queries.js';
import { GroupViews } from './group.views.js';
import { MemberQueries } from './member.queries.js';
import { Memberships } from './membership.js';
import { ReceiptCommands } from './receipt.commands.js';
import { ReceiptPages } from './receipt.pages.js';
import { ReceiptQueries } from './receipt.queries.js';
import { Receipts } from './receipt.store.js';

class GroupsModule {}

/** All wiring of the groups service; a test can host it beside its own. */
export function groupsModule(env: GroupsEnv, observer = new LoopObserver()): DynamicModule {
  return {
    module: GroupsModule,
    imports: [RuntimeModule.forService('groups', env)],
    controllers: [
      GroupCommands,
      GroupQueries,
      MemberQueries,
      AudienceQueries,
      ReceiptCommands,
      ReceiptQueries,
    ],
    providers: [
      { provide: LoopObserver, useValue: observer },
      Audiences,
      GroupDirectory,
      GroupViews,
      Memberships,
      Questions,
      ReceiptPages,
      Receipts,
    ],
  };
}
