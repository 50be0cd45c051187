import 'reflect-metadata';
import { bootstrap } from '@muster/runtime/bootstrap';
import { readGatewayConfig } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { HTTP_OPTIONS } from './http-server.js';

const env = readGatewayConfig();
await bootstrap({ service: 'gateway', module: gatewayModule(env), env, http: HTTP_OPTIONS });
