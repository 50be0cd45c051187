import { Module, type DynamicModule } from '@nestjs/common';
import type { RuntimeEnv } from './config.js';
import { Bus } from './bus.js';
import { Closing } from './closing.js';
import { HealthController } from './health.controller.js';
import { Log, createLog } from './log.js';
import { Metrics } from './metrics.js';
import { Readiness } from './readiness.js';

/** What the process was started with, for injection: `ServiceEnv<ContactsEnv>`. */
export class ServiceEnv<E extends RuntimeEnv = RuntimeEnv> {
  constructor(readonly env: E) {}
}

/**
 * Log, metrics, readiness, bus and the health endpoints: what a service has that keeps no data of its own.
 */
@Module({})
export class EdgeModule {
  static forService(service: string, env: RuntimeEnv): DynamicModule {
    const log = createLog(service, env.LOG_LEVEL);
    const metrics = new Metrics(service);
    const readiness = new Readiness();
    const closing = new Closing(log);
    const bus = new Bus({ service, natsUrl: env.NATS_URL, log, metrics });
    readiness.register('nats', () => bus.connected);
    closing.add('bus', () => bus.close());
    const providers = [
      { provide: Log, useValue: log },
      { provide: Metrics, useValue: metrics },
      { provide: Readiness, useValue: readiness },
      { provide: Closing, useValue: closing },
      { provide: Bus, useValue: bus },
      { provide: ServiceEnv, useValue: new ServiceEnv(env) },
    ];
    return {
      module: EdgeModule,
      global: true,
      controllers: [HealthController],
      providers,
      exports: providers.map(({ provide }) => provide),
    };
  }
}
