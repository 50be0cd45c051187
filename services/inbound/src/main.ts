import { bootstrap } from '@muster/runtime/bootstrap';
import { readInboundConfig } from './config.js';
import { inboundModule } from './inbound.module.js';

const env = readInboundConfig();
await bootstrap({ service: 'inbound', module: inboundModule(env), env });
