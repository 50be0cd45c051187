import type { Subject } from '@muster/contracts/subject';
import { Refusal } from '@muster/contracts/errors';
import { Envelope } from '@muster/contracts/envelope';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { ServerNats, type MessageHandler } from '@nestjs/microservices';
import { firstValueFrom, throwError, type Observable } from 'rxjs';
import { callFields } from './call-context.js';
import type { Log, LogFields } from './log.js';
import type { Metrics } from './metrics.js';
import { natsOptions } from './nats.js';
import { ANSWER_MAX_BYTES, Prepared, invalid, preparedSerializer, toWire } from './wire.js';

const IDLE_POLL_MS = 5;

interface ServerOptions {
  service: string;
  natsUrl: string;
  log: Log;
  metrics: Metrics;
}

/**
 * The answering end: Nest's NATS transport, with our parsing, error mapping, size guard, log line and
 * metrics around every handler, and with a drain in two steps (leave the queue group, then wait for what is
 * in flight) that Nest does not have.
 */
export class NatsServer extends ServerNats {
  private readonly subscribed: Subscription[] = [];
  private connection: NatsConnection | undefined;
  private running = 0;
  private up = false;

  constructor(private readonly own: ServerOptions) {
    super({
      ...natsOptions(own.service, own.natsUrl),
      queue: own.service,
      serializer: preparedSerializer,
    });
    this.status.subscribe((status) => (this.up = status === 'connected'));
  }

  /** Whether the connection is up now. */
  get connected(): boolean {
    return this.up;
  }

  /** How many requests are being handled. */
  get inFlight(): number {
    return this.running;
  }

  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const subject = extras['subject'] as Subject | undefined;
    if (subject === undefined) throw new Error(`${String(pattern)} is not declared with @Handles`);
    if (subject.service !== this.own.service) {
      throw new Error(`${subject.subject} belongs to ${subject.service}, not to ${this.own.service}`);
    }
    if (this.messageHandlers.has(subject.subject)) throw new Error(`${subject.subject} has two handlers`);
    const answer = async (data: unknown): Promise<Prepared | Observable<never>> =>
      this.counted(() => this.answer(subject, callback, data));
    super.addHandler(pattern, answer as MessageHandler, isEventHandler, extras);
  }

  /** Remembers the subscriptions that Nest makes, to drain them. */
  override bindEvents(client: NatsConnection): void {
    this.connection = client;
    super.bindEvents({
      subscribe: (...request: Parameters<NatsConnection['subscribe']>): Subscription => {
        const subscription = client.subscribe(...request);
        this.subscribed.push(subscription);
        return subscription;
      },
    });
  }

  /** Leaves the queue group; requests that the server had already sent us are still handled. */
  async leave(): Promise<void> {
    await Promise.all(this.subscribed.splice(0).map((subscription) => subscription.drain()));
  }

  /**
   * Resolves when nothing is in flight and every answer has been handed to the connection, or when `signal`
   * aborts.
   */
  async idle(signal: AbortSignal): Promise<void> {
    while (this.running > 0 && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sends what is still buffered, then closes the connection. */
  override async close(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (connection && !connection.isClosed()) await connection.flush().catch(() => undefined);
    await super.close();
  }

  /** A message that is not JSON: the parser's own words would repeat parts of it. */
  protected override handleError(error: unknown): void {
    this.own.log.warn('message dropped', { reason: error instanceof Error ? error.name : typeof error });
  }

  private async counted<T>(work: () => Promise<T>): Promise<T> {
    this.own.metrics.inFlight((this.running += 1));
    try {
      return await work();
    } finally {
      this.own.metrics.inFlight((this.running -= 1));
    }
  }

  private async answer(
    subject: Subject,
    callback: MessageHandler,
    data: unknown,
  ): Promise<Prepared | Observable<never>> {
    const started = performance.now();
    const envelope = Envelope.safeParse((data as { envelope?: unknown } | null)?.envelope);
    const call = envelope.success ? callFields(envelope.data, subject.subject) : { subject: subject.subject };
    const result = await this.outcome(call, async () => {
      if (!envelope.success) throw invalid(envelope.error);
      return this.handle(subject, callback, envelope.data, (data as { payload?: unknown }).payload);
    });
    const outcome = result instanceof Refusal ? result.code : 'ok';
    const ms = performance.now() - started;
    this.own.metrics.requestHandled(subject.subject, outcome, ms / 1000);
    this.own.log.info('handled', { ...call, outcome, ms: Math.round(ms * 10) / 10 });
    return result instanceof Refusal ? throwError(() => toWire(result)) : result;
  }

  /** Parses the payload, calls the handler and parses its answer. */
  private async handle(
    subject: Subject,
    callback: MessageHandler,
    envelope: Envelope,
    payload: unknown,
  ): Promise<Prepared> {
    const input = subject.input.safeParse(payload);
    if (!input.success) throw invalid(input.error);
    const returned: unknown = await firstValueFrom(
      this.transformToObservable(await callback({ envelope, input: input.data })) as Observable<unknown>,
      { defaultValue: undefined },
    );
    const output = subject.output.safeParse(returned);
    if (!output.success)
      throw new WrongAnswer('the answer does not have the form of its contract', invalid(output.error));
    const prepared = new Prepared(JSON.stringify(output.data) ?? 'null');
    if (prepared.bytes > ANSWER_MAX_BYTES) throw new WrongAnswer(`the answer has ${prepared.bytes} bytes`);
    return prepared;
  }

  /**
   * The result, or the refusal that stands for what went wrong; the unforeseen is logged with its stack.
   */
  private async outcome(call: LogFields, work: () => Promise<Prepared>): Promise<Prepared | Refusal> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Refusal) return error;
      const places = error instanceof WrongAnswer ? { places: error.places } : {};
      this.own.log.error('request failed', error, { ...call, ...places });
      return new Refusal('service:internal');
    }
  }
}

/** A handler of ours answered something else than its contract says. */
class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';

  constructor(
    message: string,
    private readonly refusal?: Refusal,
  ) {
    super(message);
  }

  get places(): unknown {
    return this.refusal?.data['errors'];
  }
}
