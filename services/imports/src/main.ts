import { bootstrap } from '@muster/runtime/bootstrap';
import { readImportsConfig } from './config.js';
import { importsModule } from './imports.module.js';

const env = readImportsConfig();
await bootstrap({ service: 'imports', module: importsModule(env), env });
