import { bootstrap } from '@muster/runtime/bootstrap';
import { readGroupsConfig } from './config.js';
import { groupsModule } from './groups.module.js';

const env = readGroupsConfig();
await bootstrap({ service: 'groups', module: groupsModule(env), env });
