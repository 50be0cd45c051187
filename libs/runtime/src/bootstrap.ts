import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { uuid7 } from '@muster/contracts/ids';
import { Bus } from './bus.js';
import { Closing } from './closing.js';
import type { RuntimeEnv } from './config.js';
import { HttpInFlight } from './http-in-flight.js';
import { Log, createLog } from './log.js';
import { Metrics } from './metrics.js';
import { NatsServer } from './nats-server.js';
import { NestLog } from './nest-log.js';
import { ownProcess } from './own-process.js';
import { Readiness } from './readiness.js';
import { settled } from './settled.js';

const BODY_MAX_BYTES = 1024 * 1024;
/** How long HTTP and the shutdown hooks of the application may take together, in milliseconds. */
const HOOKS_MS = 5_000;
/**
 * How much longer than DRAIN_MS stopping may take before the process ends without order, in milliseconds.
 */
const CLOSE_MS = 15_000;

type HttpOptions = NonNullable<ConstructorParameters<typeof FastifyAdapter>[0]>;

export interface Bootstrap {
  /** Name of the service: its queue group, and what its subjects begin with. */
  service: string;
  /** The root module; it imports RuntimeModule or EdgeModule. */
  module: Type | DynamicModule;
  env: RuntimeEnv;
  /** Registers Fastify plugins and raw routes, before the port is opened. */
  prepare?: (app: NestFastifyApplication) => Promise<void> | void;
  /** Options of Fastify that can only be given at its making. */
  http?: Partial<HttpOptions>;
}

export interface Running {
  readonly app: NestFastifyApplication;
  /** The port that was really opened. */
  readonly httpPort: number;
  /** Stops as SIGTERM does, without ending the process. Resolves when everything is closed. */
  close(): Promise<void>;
}

/**
 * Starts a service: HTTP first, so that health can be asked for while it waits; then NATS; then, once every
 * readiness check holds, it joins its queue group. Resolves when it may be used. SIGTERM and SIGINT stop it
 * in order and end the process with code 0.
 * @throws Error when the module cannot be built, the port cannot be opened, or the service was stopped
 * before it was ready.
 */
export async function bootstrap(options: Bootstrap): Promise<Running> {
  const starting = createLog(options.service, options.env.LOG_LEVEL);
  const app = await NestFactory.create<NestFastifyApplication>(
    options.module,
    new FastifyAdapter({
      bodyLimit: BODY_MAX_BYTES,
      genReqId: () => uuid7(),
      ...options.http,
    } as HttpOptions),
    { logger: new NestLog(starting), abortOnError: false, forceCloseConnections: true },
  );
  const service = new HostedService(app, options);
  try {
    await service.open();
    return service;
  } catch (error) {
    await service.close();
    throw error;
  }
}

class HostedService implements Running {
  private readonly log: Log;
  private readonly readiness: Readiness;
  private readonly server: NatsServer;
  private readonly http: HttpInFlight;
  private readonly disown: () => void;
  private closed: Promise<void> | undefined;

  constructor(
    readonly app: NestFastifyApplication,
    private readonly options: Bootstrap,
  ) {
    const { service, env } = options;
    this.log = app.get(Log);
    this.readiness = app.get(Readiness);
    this.server = new NatsServer({
      service,
      natsUrl: env.NATS_URL,
      log: this.log,
      metrics: app.get(Metrics),
    });
    this.http = new HttpInFlight(app.getHttpAdapter().getInstance());
    this.disown = ownProcess({
      parent: env.MUSTER_PARENT_PID,
      log: this.log,
      limitMs: env.DRAIN_MS + CLOSE_MS,
      stop: () => this.close(),
    });
  }

  get httpPort(): number {
    return (this.app.getHttpServer().address() as AddressInfo | null)?.port ?? 0;
  }

  async open(): Promise<void> {
    const { env, prepare } = this.options;
    this.app.connectMicroservice<MicroserviceOptions>({ strategy: this.server });
    await prepare?.(this.app);
    await this.app.listen(env.HTTP_PORT, env.HTTP_HOST);
    this.log.debug('http open', { httpPort: this.httpPort });
    await this.orStopped(this.app.get(Bus).connect());
    if (!(await this.readiness.untilReady())) throw new Error('stopped before it was ready');
    await this.orStopped(this.app.startAllMicroservices());
    this.readiness.opened(() => this.server.connected);
    this.log.info('ready', { httpPort: this.httpPort });
  }

  /** Not ready, out of the queue group, work in flight done, then HTTP, followers, bus and stores. */
  close(): Promise<void> {
    this.closed ??= this.closeInOrder();
    return this.closed;
  }

  private async closeInOrder(): Promise<void> {
    this.log.info('draining', { inFlight: this.server.inFlight, http: this.http.count });
    this.readiness.drain();
    const limit = AbortSignal.timeout(this.options.env.DRAIN_MS);
    await settled(this.server.leave(), limit).catch(() => false);
    await Promise.all([this.server.idle(limit), this.http.idle(limit)]);
    if (this.server.inFlight + this.http.count > 0) {
      this.log.warn('work cut off', { inFlight: this.server.inFlight, http: this.http.count });
    }
    try {
      const isClosed = await settled(this.app.close(), AbortSignal.timeout(HOOKS_MS));
      if (!isClosed) this.log.warn('not closed in time', { connection: 'application' });
    } catch (error) {
      this.log.error('not closed in order', error);
    }
    await this.app.get(Closing).close();
    this.disown();
    this.log.info('stopped');
  }

  /** What `work` resolves to, unless the service is told to stop before. */
  private async orStopped<T>(work: Promise<T>): Promise<T> {
    if (!(await settled(work, this.readiness.draining))) throw new Error('stopped before it was ready');
    return work;
  }
}
