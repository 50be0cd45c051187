import { Injectable } from '@nestjs/common';
import type { ConsentEvent } from '@muster/contracts/consent';
import type { DetailKind } from '@muster/contracts/detail';
import { Refusal } from '@muster/contracts/errors';
import { Accounts } from '@muster/event-store/accounts';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import { Heads, type Head } from '@muster/event-store/heads';
import type { Follower } from '@muster/event-store/follow';
import { repairHeads } from '@muster/event-store/repair';
import { detailKeys, isDetailKey } from '@muster/phone/detail';
import { parseEmail } from '@muster/phone/email';
import { parsePhone, parseProviderPhone } from '@muster/phone/phone';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { startWhenReachable } from '@muster/runtime/starting';
import { Database } from '@muster/runtime/database';
import type { mongo } from 'mongoose';
import { ensureIndexes, type ConsentHead } from './consent.model.js';
import { NOTHING_SAID, evolve, type ConsentState } from './domain/consent.js';

/** A detail as a request named it, and every key under which something may be known about it. */
export interface ResolvedDetail {
  kind: DetailKind | null;
  /** The value, where the request gave one. */
  value: string | null;
  /** The key that new streams are written under comes first. */
  keys: string[];
}

/** What a view needs of a head. */
export type KnownHead = Pick<Head<ConsentState>, 'id' | 'state' | 'position'>;

/** The consent ledger: one stream and one head for each detail. */
@Injectable()
export class Ledger {
  readonly decider: Decider<ConsentState, ConsentEvent>;
  readonly heads: mongo.Collection<ConsentHead>;
  private repair: Follower | null = null;
  private repairing: (repair: Follower) => void = () => {};
  private readonly repairBegun = new Promise<Follower>((resolve) => (this.repairing = resolve));

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly accounts: Accounts,
    private readonly log: Log,
    private readonly readiness: Readiness,
  ) {
    this.heads = database.collection<ConsentHead>('consent_heads');
    this.decider = new Decider<ConsentState, ConsentEvent>({
      store,
      heads: new Heads<ConsentState>(this.heads),
      category: 'consent',
      initial: NOTHING_SAID,
      evolve,
      keyFor: (account, detailKey) => store.keys.keyOfDetail(account, detailKey),
      confirmNothing: true,
    });
    readiness.register('consent heads', () => this.repair?.live ?? false);
  }

  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'ledger', async () => {
      await ensureIndexes(this.heads);
      const checkpoints = new Checkpoints(this.database.collection('checkpoints'));
      this.repair = await repairHeads(this.store, this.decider, checkpoints, 'consent', (error) =>
        this.log.error('repair of consent heads', error),
      );
      this.repairing(this.repair);
    });
  }

  /** Settles when no head is older than the log was at the start: what a crash left between append and head is made good. */
  async repaired(): Promise<void> {
    await (await this.repairBegun).caughtUp();
  }

  async onModuleDestroy(): Promise<void> {
    await this.repair?.stop();
  }

  /**
   * Reads a phone number in any spelling, an e-mail address or a detail key. Numbers are read as leniently as a
   * carrier's payload, so that no STOP is lost to a numbering plan that is newer than ours.
   * @throws Refusal `consent:detail_invalid`
   */
  async resolve(account: string, detail: string): Promise<ResolvedDetail> {
    const text = detail.trim();
    if (isDetailKey(text)) return { kind: null, value: null, keys: [text] };
    const [peppers, { defaultCountry }] = await Promise.all([
      this.store.keys.peppers(account),
      this.accounts.get(account),
    ]);
    if (text.includes('@')) {
      const email = parseEmail(text);
      if (!email.ok) throw new Refusal('consent:detail_invalid', { path: 'detail', reason: email.reason });
      return { kind: 'email', value: email.email, keys: detailKeys(peppers, 'email', email.email) };
    }
    const strict = parsePhone(text, defaultCountry, { shortNational: true });
    const phone = strict.ok || !text.startsWith('+') ? strict : parseProviderPhone(text);
    if (!phone.ok) throw new Refusal('consent:detail_invalid', { path: 'detail', reason: phone.reason });
    return { kind: 'phone', value: phone.phone, keys: detailKeys(peppers, 'phone', phone.phone) };
  }

  /** The head of the stream to write to: the one that exists under any of the keys, else a new one under the first. */
  async headToWrite(account: string, { kind, keys }: ResolvedDetail): Promise<Head<ConsentState>> {
    // Most details have one key and nothing was said of them: of the others the append finds out.
    if (kind !== null && keys.length === 1) return this.decider.newHead(account, keys[0] as string);
    const heads = await this.decider.heads.find(account, keys);
    const existing = keys.map((key) => heads.get(key)).find((head) => head !== undefined);
    return existing ?? this.decider.newHead(account, keys[0] as string);
  }

  /**
   * Heads of all keys: any suppression found counts. Whatever was acknowledged is in its head, so where there is none
   * nothing was said.
   */
  async headsOf(account: string, keys: readonly string[]): Promise<KnownHead[]> {
    if (keys.length === 0) return [];
    const heads = await this.decider.heads.find(account, keys);
    return keys.map((key) => heads.get(key) ?? this.decider.newHead(account, key));
  }
}
