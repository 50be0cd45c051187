import { bootstrap } from '@muster/runtime/bootstrap';
import { readContactsConfig } from './config.js';
import { contactsModule } from './contacts.module.js';

const env = readContactsConfig();
await bootstrap({ service: 'contacts', module: contactsModule(env), env });
