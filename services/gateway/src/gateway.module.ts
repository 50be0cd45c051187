import { Module, type DynamicModule } from '@nestjs/common';
import { RuntimeModule } from '@muster/runtime/runtime.module';
import { AccountCommands } from './account.commands.js';
import { Authenticator } from './auth.js';
import type { GatewaySettings } from './config.js';
import { Dispatcher } from './dispatcher.js';
import { EndpointDirectory } from './endpoint.directory.js';
import { HttpServer } from './http-server.js';
import { Idempotency } from './idempotency.js';
import { ImportFiles } from './import.files.js';

/** The HTTP API, accounts and API keys. Routes are put on the HTTP server by `HttpServer` when the module starts. */
@Module({
  providers: [
    AccountCommands,
    Authenticator,
    Dispatcher,
    EndpointDirectory,
    HttpServer,
    Idempotency,
    ImportFiles,
  ],
})
export class GatewayModule {}

export function gatewayModule(env: GatewaySettings): DynamicModule {
  return { module: GatewayModule, imports: [RuntimeModule.forService('gateway', env)] };
}
