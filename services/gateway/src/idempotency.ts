import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { KeyRing } from '@muster/event-store/keys';
import { Log } from '@muster/runtime/log';
import { Database } from '@muster/runtime/database';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonical } from './canonical.js';
import type { Answer } from './route.js';

/** How long a replica may be silent before another takes its request over; it renews at a third of that. */
const LEASE_MS = 5_000;
/** How long a second request waits for the first with the same key; longer than the lease, so that it can take over. */
const WAIT_MS = 8_000;
const POLL_MS = 50;
const KEEP_MS = 7 * 86_400_000;
const PURGE_MS = 3_600_000;
const DUPLICATE_KEY = 11_000;

/** Ids, a keyed hash and a status: nothing of what was sent or answered. */
export interface IdempotencyRecord {
  /** The command id. */
  _id: string;
  account: string;
  /** HMAC of the request under the account's pepper. */
  hash: string;
  /** `open`: begun, its outcome not known here, so that the next repeat does it again. */
  state: 'running' | 'open' | 'done';
  /** Until when the replica that runs it holds it. */
  until: Date;
  expiresAt: Date;
  status?: number;
  position?: number;
}

interface Claim {
  record: IdempotencyRecord;
  isRepeat: boolean;
}

/**
 * Makes writes with an `Idempotency-Key` happen once. The record guards the key; the answer of a repeat is made by
 * repeating the same command, which every service recognises by its id.
 */
@Injectable()
export class Idempotency implements OnModuleInit, OnModuleDestroy {
  private purging: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.purging = setInterval(() => void this.purge(), PURGE_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.purging);
  }

  /**
   * Runs `work` unless a request with the same key is under way, and answers a repeat with the status of the first.
   * @throws Refusal `request:idempotency_conflict` when the request is another one than the key was used for.
   * @throws Refusal `request:in_progress` when the first one is still not done after eight seconds.
   */
  async once(envelope: Envelope, request: unknown, work: () => Promise<Answer>): Promise<Answer> {
    const { record, isRepeat } = await this.claim(envelope, await this.hash(envelope.account, request));
    if (isRepeat) return { ...(await work()), status: record.status ?? 200 };
    const renewing = setInterval(() => void this.renew(record._id), LEASE_MS / 3);
    try {
      const answer = await work();
      void this.settle(record._id, { state: 'done', status: answer.status, ...positionIn(answer) });
      return answer;
    } catch (error) {
      await this.settle(record._id, { state: 'open' });
      throw error;
    } finally {
      clearInterval(renewing);
    }
  }

  private get records(): ReturnType<typeof Database.prototype.collection<IdempotencyRecord>> {
    return this.database.collection<IdempotencyRecord>('idempotency');
  }

  private async hash(account: string, request: unknown): Promise<string> {
    const pepper = (await this.keys.peppers(account))[0];
    if (pepper === undefined) throw new Error('the account has no pepper');
    return createHmac('sha256', pepper)
      .update(`idempotency\n${canonical(request)}`)
      .digest('hex');
  }

  private async claim(envelope: Envelope, hash: string): Promise<Claim> {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const fresh = await this.insert(envelope, hash);
      if (fresh !== null) return { record: fresh, isRepeat: false };
      const found = await this.records.findOne({ _id: envelope.command });
      if (found === null) continue;
      if (found.hash !== hash) throw new Refusal('request:idempotency_conflict');
      if (found.state === 'done') return { record: found, isRepeat: true };
      if (await this.takeOver(found)) return { record: found, isRepeat: false };
      if (Date.now() > end) throw new Refusal('request:in_progress');
      await sleep(POLL_MS);
    }
  }

  private async insert(envelope: Envelope, hash: string): Promise<IdempotencyRecord | null> {
    const record: IdempotencyRecord = {
      _id: envelope.command,
      account: envelope.account,
      hash,
      state: 'running',
      until: new Date(Date.now() + LEASE_MS),
      expiresAt: new Date(Date.now() + KEEP_MS),
    };
    try {
      await this.records.insertOne(record);
      return record;
    } catch (error) {
      if ((error as { code?: unknown }).code === DUPLICATE_KEY) return null;
      throw error;
    }
  }

  /** Takes a request whose replica gave it up or went silent; compare-and-set, so that one alone gets it. */
  private async takeOver(found: IdempotencyRecord): Promise<boolean> {
    if (found.state === 'running' && found.until.getTime() > Date.now()) return false;
    const { _id, state, until } = found;
    const result = await this.records.updateOne(
      { _id, state, until },
      { $set: { state: 'running', until: new Date(Date.now() + LEASE_MS) } },
    );
    return result.modifiedCount === 1;
  }

  private async renew(id: string): Promise<void> {
    const until = new Date(Date.now() + LEASE_MS);
    await this.records
      .updateOne({ _id: id, state: 'running' }, { $set: { until } })
      .catch((error: unknown) =>
        this.log.error('an idempotency lease was not renewed', error, { command: id }),
      );
  }

  /**
   * Not waited for after a success: a repeat that comes before it waits. A record that is never settled is taken over
   * after its lease; the command behind it is repeatable anyway.
   */
  private async settle(id: string, outcome: Partial<IdempotencyRecord>): Promise<void> {
    await this.records
      .updateOne({ _id: id }, { $set: outcome })
      .catch((error: unknown) =>
        this.log.error('an idempotency record was not settled', error, { command: id }),
      );
  }

  private async purge(): Promise<void> {
    await this.records
      .deleteMany({ expiresAt: { $lt: new Date() } })
      .catch((error: unknown) => this.log.error('old idempotency records were not removed', error));
  }
}

function positionIn(answer: Answer): { position?: number } {
  const { position } = (answer.body ?? {}) as { position?: unknown };
  return typeof position === 'number' ? { position } : {};
}
