import type { DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import type { ContactsEnv } from './config.js';
import { ContactCommands } from './contact.commands.js';
import { ContactQueries } from './contact.queries.js';
import { Fields } from './fields.js';
import { Register } from './register.js';
import { Registry } from './registry.js';

class ContactsModule {}

/** All wiring of the contacts service; a test can host it beside its own. */
export function contactsModule(env: ContactsEnv): DynamicModule {
  return {
    module: ContactsModule,
    imports: [RuntimeModule.forService('contacts', env)],
    controllers: [ContactCommands, ContactQueries],
    providers: [Registry, Register, Fields],
  };
}
