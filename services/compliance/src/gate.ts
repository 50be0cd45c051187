import { Injectable } from '@nestjs/common';
import { CHANGES_MAX, type Standing } from '@muster/contracts/consent';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import { detailKeys, isDetailKey } from '@muster/phone/detail';
import { parseEmail } from '@muster/phone/email';
import { isE164, parsePhone, parseProviderPhone } from '@muster/phone/phone';
import { lastSaidAt, standingOf } from './domain/consent.js';
import { Holdings } from './holdings.projection.js';
import { Ledger } from './ledger.js';

export interface GateAnswer {
  to: string;
  allowed: boolean;
  reason?: string;
}

export interface StandingChange {
  key: string;
  standing: Standing;
  since: string;
  position: number;
}

/**
 * The send gate: memory at its own position, and every head that is newer. Because a revocation is in its head before
 * it is acknowledged, no answer that begins afterwards allows it (promise 1).
 */
@Injectable()
export class Gate {
  constructor(
    private readonly ledger: Ledger,
    private readonly holdings: Holdings,
    private readonly accounts: Accounts,
    private readonly store: EventStore,
  ) {}

  async canSend(
    account: string,
    to: readonly string[],
  ): Promise<{ results: GateAnswer[]; position: number }> {
    const [peppers, { defaultCountry }] = await Promise.all([
      this.store.keys.peppers(account),
      this.accounts.get(account),
    ]);
    const position = this.holdings.position;
    const asked = to.map((detail) => this.keysOf(account, detail, peppers, defaultCountry));
    const newer = await this.standingsAfter(account, position, asked.flat());
    const results = to.map((detail, index) => this.answer(account, detail, asked[index] as string[], newer));
    return {
      results,
      position: Math.max(0, position, ...[...newer.values()].map((change) => change.position)),
    };
  }

  /** Standings that changed after a position, straight from the heads. */
  async changesSince(
    account: string,
    after: number,
    limit: number,
  ): Promise<{ changes: StandingChange[]; complete: boolean; position: number }> {
    const heads = await this.ledger.heads
      .find({ account, position: { $gt: after } })
      .sort({ position: 1 })
      .limit(limit + 1)
      .toArray();
    const changes = heads.slice(0, limit).map((head) => ({
      key: head.id,
      standing: standingOf(head.state),
      since: lastSaidAt(head.state),
      position: head.position,
    }));
    return {
      changes,
      complete: heads.length <= limit,
      position: changes.at(-1)?.position ?? Math.max(0, after),
    };
  }

  /**
   * Every key that a recipient may be known under. A number that is written in E.164 and held under just that form needs
   * no reading, which is most of the cost of a full batch; anything else is read in full.
   */
  private keysOf(
    account: string,
    detail: string,
    peppers: readonly Buffer[],
    defaultCountry: string,
  ): string[] {
    if (isE164(detail)) {
      const keys = detailKeys(peppers, 'phone', detail);
      if (keys.some((key) => this.holdings.isHeld(account, key))) return keys;
    }
    return readKeys(detail, peppers, defaultCountry);
  }

  private async standingsAfter(
    account: string,
    after: number,
    keys: readonly string[],
  ): Promise<Map<string, { standing: Standing; position: number }>> {
    // Beyond the limit, the heads of just the keys in question are asked for.
    const { changes, complete } = await this.changesSince(account, after, CHANGES_MAX);
    if (complete) return new Map(changes.map((change) => [change.key, change]));
    const heads = await this.ledger.decider.heads.find(account, keys);
    return new Map(
      [...heads].map(([key, head]) => [key, { standing: standingOf(head.state), position: head.position }]),
    );
  }

  private answer(
    account: string,
    to: string,
    keys: readonly string[],
    newer: ReadonlyMap<string, { standing: Standing }>,
  ): GateAnswer {
    const standings = keys.map((key) => newer.get(key)?.standing ?? this.holdings.standing(account, key));
    if (standings.includes('revoked')) return { to, allowed: false, reason: 'opted_out' };
    const held = keys.some((key) => this.holdings.isHeld(account, key));
    const agreed = standings.includes('granted') || keys.some((key) => this.holdings.hasBasis(account, key));
    return held && agreed ? { to, allowed: true } : { to, allowed: false, reason: 'no_consent' };
  }
}

/** The keys of a recipient in any spelling; none for what is neither number, address nor key. */
function readKeys(detail: string, peppers: readonly Buffer[], defaultCountry: string): string[] {
  const text = detail.trim();
  if (isDetailKey(text)) return [text];
  if (text.includes('@')) {
    const email = parseEmail(text);
    return email.ok ? detailKeys(peppers, 'email', email.email) : [];
  }
  const strict = parsePhone(text, defaultCountry, { shortNational: true });
  const phone = strict.ok || !text.startsWith('+') ? strict : parseProviderPhone(text);
  return phone.ok ? detailKeys(peppers, 'phone', phone.phone) : [];
}
