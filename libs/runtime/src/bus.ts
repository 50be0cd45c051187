import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '@muster/contracts/errors';
import type { Envelope } from '@muster/contracts/envelope';
import type { Subject } from '@muster/contracts/subject';
import { TimeoutError, firstValueFrom, timeout } from 'rxjs';
import type { z } from 'zod';
import { callFields } from './call-context.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import { NatsClient, NoResponders, natsOptions } from './nats.js';
import { nextSpan } from './trace.js';
import { Prepared, REQUEST_MAX_BYTES, fromWire, invalid, preparedSerializer } from './wire.js';

/** How long a request without a listener is repeated, in milliseconds. */
const PATIENCE_MS = 1_500;
const FIRST_PAUSE_MS = 40;
const PAUSE_MAX_MS = 300;

interface AskOptions {
  /**
   * How long to wait for the answer, retries included, in milliseconds; the subject's own time unless
   * given.
   */
  timeoutMs?: number;
}

interface BusOptions {
  service: string;
  natsUrl: string;
  log: Log;
  metrics: Metrics;
}

/**
 * The asking end: one connection per process, a time limit on every request, and refusals as they were
 * thrown.
 */
export class Bus {
  private readonly client: NatsClient;
  private readonly log: Log;
  private readonly metrics: Metrics;
  private up = false;

  constructor(options: BusOptions) {
    this.log = options.log;
    this.metrics = options.metrics;
    this.client = new NatsClient({
      ...natsOptions(`${options.service}-bus`, options.natsUrl),
      serializer: preparedSerializer,
    });
    this.client.status.subscribe((status) => (this.up = status === 'connected'));
  }

  /** Whether the connection is up now. */
  get connected(): boolean {
    return this.up;
  }

  /** Resolves when the server has been reached, however long that takes. */
  async connect(): Promise<void> {
    await this.client.connect();
  }

  /** Ends the connection; requests in flight fail. */
  async close(): Promise<void> {
    this.up = false;
    await this.client.close();
  }

  /**
   * Asks a service and answers its parsed output. A request that met no listener, or no connection, has not
   * been handed to anyone and is repeated for about 1.5 s.
   * @throws Refusal as the handler threw it; `request:invalid` and `request:too_large` before anything is
   * sent; `service:unavailable` when nobody listens; `service:timeout` when the outcome is unknown: repeat
   * with the same command.
   */
  async ask<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    envelope: Envelope,
    input: z.input<I>,
    options: AskOptions = {},
  ): Promise<z.output<O>> {
    const started = performance.now();
    let outcome = 'ok';
    try {
      return await this.answer(subject, envelope, input, options.timeoutMs ?? subject.timeoutMs);
    } catch (error) {
      const refusal = this.refusalOf(error, subject, envelope);
      outcome = refusal.code;
      throw refusal;
    } finally {
      this.metrics.requestAsked(subject.subject, outcome, (performance.now() - started) / 1000);
    }
  }

  private async answer<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    envelope: Envelope,
    input: z.input<I>,
    timeoutMs: number,
  ): Promise<z.output<O>> {
    const parsed = subject.input.safeParse(input);
    if (!parsed.success) throw invalid(parsed.error);
    const sent = { ...envelope, traceparent: nextSpan(envelope) };
    const request = new Prepared(JSON.stringify({ envelope: sent, payload: input }));
    if (request.bytes > REQUEST_MAX_BYTES) {
      throw new Refusal('request:too_large', { limit: REQUEST_MAX_BYTES, bytes: request.bytes });
    }
    const answer = subject.output.safeParse(await this.send(subject.subject, request, timeoutMs));
    if (answer.success) return answer.data;
    this.log.error('answer not understood', undefined, {
      ...callFields(envelope, subject.subject),
      places: invalid(answer.error).data['errors'],
    });
    throw new Refusal('service:internal');
  }

  /**
   * Repeats while nobody listens: jittered pauses that double, so that many callers do not knock at once.
   */
  private async send(subject: string, request: Prepared, timeoutMs: number): Promise<unknown> {
    const now = performance.now();
    const end = now + timeoutMs;
    const patience = Math.min(end, now + PATIENCE_MS);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, PAUSE_MAX_MS)) {
      if (this.up) {
        try {
          const left = Math.max(1, end - performance.now());
          return await firstValueFrom(this.client.send<unknown>(subject, request).pipe(timeout(left)));
        } catch (error) {
          if (!isNotSent(error)) throw error;
        }
      }
      const wait = pause * (0.5 + Math.random());
      if (performance.now() + wait > patience) throw new Refusal('service:unavailable');
      await sleep(wait);
    }
  }

  private refusalOf(error: unknown, subject: Subject, envelope: Envelope): Refusal {
    if (error instanceof Refusal) return error;
    if (error instanceof TimeoutError) return new Refusal('service:timeout', { subject: subject.subject });
    const refusal = fromWire(error);
    if (refusal) return refusal;
    this.log.error('request failed', error, callFields(envelope, subject.subject));
    return new Refusal('service:internal');
  }
}

/**
 * Nobody has seen the request: no listener, or Nest's client knew (by a string, not an Error) that it has
 * no connection.
 */
function isNotSent(error: unknown): boolean {
  return error instanceof NoResponders || (typeof error === 'string' && error.includes('Connection lost'));
}
