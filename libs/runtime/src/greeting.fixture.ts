import { command, query } from '@muster/contracts/subject';
import { Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import type { Envelope } from '@muster/contracts/envelope';
import { Controller, Module, type DynamicModule } from '@nestjs/common';
import { z } from 'zod';
import { bootstrap, type Bootstrap, type Running } from './bootstrap.js';
import { Bus } from './bus.js';
import type { RuntimeEnv } from './config.js';
import { EdgeModule } from './edge.module.js';
import { systemEnvelope } from './envelopes.js';
import { Ask, Handles, type AnswerOf } from './handles.js';

export const greet = query(
  'contacts',
  'greet',
  'Greets.',
  z.object({ name: z.string().min(2), times: z.int().default(1) }),
  z.object({ text: z.string(), by: z.string() }),
);
export const refuse = command(
  'contacts',
  'refuse',
  'Says no.',
  z.object({ how: z.string() }),
  z.object({ done: z.boolean() }),
);
export const work = command(
  'contacts',
  'work',
  'Takes a while.',
  z.object({ ms: z.int() }),
  z.object({ by: z.string() }),
);
export const echo = query(
  'contacts',
  'echo',
  'Echoes.',
  z.object({ text: z.string() }),
  z.object({ text: z.string() }),
);
export const grow = query(
  'contacts',
  'grow',
  'A large answer.',
  z.object({ bytes: z.int() }),
  z.object({ text: z.string() }),
);
export const alien = query('groups', 'alien', 'Of another service.', z.object({}), z.object({}));

let replicas = 0;

@Controller()
export class GreetingController {
  private readonly name = `replica-${(replicas += 1)}`;
  started = 0;
  envelopes: unknown[] = [];

  @Handles(greet)
  async greet(request: Ask<typeof greet>): Promise<AnswerOf<typeof greet>> {
    this.envelopes.push(request.envelope);
    const { name, times } = request.input;
    const extra = { text: `${name} `.repeat(times).trim(), by: this.name, secret: 'cut off' };
    return extra;
  }

  @Handles(refuse)
  async refuse({ input }: Ask<typeof refuse>): Promise<AnswerOf<typeof refuse>> {
    if (input.how === 'refusal') throw new Refusal('contact:revision_conflict', { revision: 7 });
    if (input.how === 'answer') return { wrong: 'Ada' } as never;
    throw new Error('duplicate key { name: "Ada" }');
  }

  @Handles(work)
  async work({ input }: Ask<typeof work>): Promise<AnswerOf<typeof work>> {
    this.started += 1;
    await new Promise((resolve) => setTimeout(resolve, input.ms));
    return { by: this.name };
  }

  @Handles(echo)
  async echo({ input }: Ask<typeof echo>): Promise<AnswerOf<typeof echo>> {
    return input;
  }

  @Handles(grow)
  async grow({ input }: Ask<typeof grow>): Promise<AnswerOf<typeof grow>> {
    return { text: 'x'.repeat(input.bytes) };
  }
}

@Controller()
export class AlienController {
  @Handles(alien)
  async alien(): Promise<AnswerOf<typeof alien>> {
    return {};
  }
}

@Module({})
export class SmallModule {}

export function small(
  env: RuntimeEnv,
  controllers: DynamicModule['controllers'] = [GreetingController],
): DynamicModule {
  return { module: SmallModule, imports: [EdgeModule.forService('contacts', env)], controllers };
}

/** Small services of a test on one NATS server, and everything else that must be closed after it. */
export class Hosts {
  private readonly open: { close(): Promise<void> }[] = [];

  constructor(private readonly natsUrl: () => string) {}

  environment(changes: Partial<RuntimeEnv> = {}): RuntimeEnv {
    return {
      NATS_URL: this.natsUrl(),
      EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
      MONGO_URL: 'mongodb://127.0.0.1:1',
      MASTER_KEY: Buffer.alloc(32).toString('base64'),
      HTTP_HOST: '127.0.0.1',
      HTTP_PORT: 0,
      LOG_LEVEL: 'silent',
      DRAIN_MS: 5_000,
      ...changes,
    };
  }

  async host(changes: Partial<Bootstrap> = {}, env = this.environment()): Promise<Running> {
    const service = await bootstrap({ service: 'contacts', module: small(env), env, ...changes });
    return this.closes(service);
  }

  /** A bus on a connection of its own, of a service without handlers. */
  async caller(): Promise<Bus> {
    const env = this.environment();
    const module: DynamicModule = { module: SmallModule, imports: [EdgeModule.forService('gateway', env)] };
    return (await this.host({ service: 'gateway', module }, env)).app.get(Bus);
  }

  closes<T extends { close(): Promise<void> }>(one: T): T {
    this.open.push(one);
    return one;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.open.splice(0).map((one) => one.close()));
  }
}

export const envelope = (): Envelope => systemEnvelope(uuid7(), { source: { kind: 'system' } });
export const controller = (service: Running): GreetingController => service.app.get(GreetingController);

/** `ok`, the code of the refusal, or whatever else was thrown. */
export const codeOf = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'ok',
    (error: unknown) => (error instanceof Refusal ? error.code : error),
  );

export async function health(port: number): Promise<{ status: number; missing: string[] }> {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`);
  return { status: answer.status, missing: ((await answer.json()) as { missing: string[] }).missing };
}
