import { setImmediate as turn } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CHANGES_MAX, type Standing } from '@muster/contracts/consent';
import { Accounts } from '@muster/event-store/accounts';
import { EventStore } from '@muster/event-store/event-store';
import { detailKeys, isDetailKey } from '@muster/phone/detail';
import { parseEmail } from '@muster/phone/email';
import { isE164, parsePhone, parseProviderPhone } from '@muster/phone/phone';
import { lastSaidAt, standingOf } from './domain/consent.js';
import { Holdings, type Remembered } from './holdings.projection.js';
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

type NewerStanding = Pick<StandingChange, 'standing' | 'position'>;

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
    const changes = this.changesSince(account, position, CHANGES_MAX);
    // A failure is met below; until then it must not count as unhandled.
    changes.catch(() => {});
    // The question is on its way before the recipients are hashed, which takes as long as its answer.
    await turn();
    const known = this.holdings.of(account);
    const asked = to.map((detail) => keysOf(detail, known, peppers, defaultCountry));
    const newer = await this.standingsAfter(account, await changes, asked);
    const results = to.map((detail, index) => answer(detail, asked[index] as string[], known, newer));
    let last = Math.max(0, position);
    for (const change of newer.values()) last = Math.max(last, change.position);
    return { results, position: last };
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

  private async standingsAfter(
    account: string,
    { changes, complete }: { changes: readonly StandingChange[]; complete: boolean },
    asked: readonly string[][],
  ): Promise<Map<string, NewerStanding>> {
    if (complete) return new Map(changes.map((change) => [change.key, change]));
    // Beyond the limit, the heads of just the keys in question are asked for.
    const heads = await this.ledger.decider.heads.find(account, asked.flat());
    return new Map(
      [...heads].map(([key, head]) => [key, { standing: standingOf(head.state), position: head.position }]),
    );
  }
}

/**
 * Every key that a recipient may be known under. A number that is written in E.164 and held under just that form needs
 * no reading, which is most of the cost of a full batch; anything else is read in full.
 */
function keysOf(
  detail: string,
  known: Remembered,
  peppers: readonly Buffer[],
  defaultCountry: string,
): string[] {
  if (isE164(detail)) {
    const keys = detailKeys(peppers, 'phone', detail);
    if (keys.some((key) => known.isHeld(key))) return keys;
  }
  return readKeys(detail, peppers, defaultCountry);
}

function answer(
  to: string,
  keys: readonly string[],
  known: Remembered,
  newer: ReadonlyMap<string, NewerStanding>,
): GateAnswer {
  const standings = keys.map((key) => newer.get(key)?.standing ?? known.standing(key));
  if (standings.includes('revoked')) return { to, allowed: false, reason: 'opted_out' };
  const held = keys.some((key) => known.isHeld(key));
  const agreed = standings.includes('granted') || keys.some((key) => known.hasBasis(key));
  return held && agreed ? { to, allowed: true } : { to, allowed: false, reason: 'no_consent' };
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
