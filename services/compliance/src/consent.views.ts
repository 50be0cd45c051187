import { Injectable } from '@nestjs/common';
import type { ConsentView } from '@muster/contracts/consent';
import { newestGrant, revocationInForce, standingOf } from './domain/consent.js';
import { Holdings, type Remembered } from './holdings.projection.js';
import { Ledger, type KnownHead, type ResolvedDetail } from './ledger.js';

interface Views {
  items: ConsentView[];
  position: number;
}

/**
 * What is known of details: what was said comes from the heads and is never stale; who holds them, from the memory that the
 * gate answers from, so that both say the same. Its lag can only refuse.
 */
@Injectable()
export class ConsentViews {
  constructor(
    private readonly ledger: Ledger,
    private readonly holdings: Holdings,
  ) {}

  /** @param known the head that the caller has just brought up to date, which is not looked up again */
  async view(
    account: string,
    detail: ResolvedDetail,
    known?: KnownHead,
  ): Promise<{ consent: ConsentView; position: number }> {
    const { items, position } = await this.viewMany(account, [detail], known);
    return { consent: items[0] as ConsentView, position };
  }

  /** Views of many details with one find. */
  async viewMany(account: string, details: readonly ResolvedDetail[], known?: KnownHead): Promise<Views> {
    const keys = details.flatMap((detail) => detail.keys).filter((key) => key !== known?.id);
    const heads = new Map((await this.ledger.headsOf(account, keys)).map((head) => [head.id, head]));
    if (known) heads.set(known.id, known);
    const held = this.holdings.of(account);
    const items = details.map((detail) => {
      const said = detail.keys.map((key) => heads.get(key)).filter((head) => head !== undefined);
      return viewOf(detail, said, held);
    });
    return { items, position: Math.max(0, ...[...heads.values()].map((head) => head.position)) };
  }
}

/** What is said of a detail, over all keys it is known under: one revocation suffices. */
function viewOf(detail: ResolvedDetail, heads: readonly KnownHead[], held: Remembered): ConsentView {
  const revoked = heads.find((head) => standingOf(head.state) === 'revoked');
  const granted = heads.find((head) => standingOf(head.state) === 'granted');
  const said = revoked ?? granted;
  const statement = revoked ? revocationInForce(revoked.state) : granted ? newestGrant(granted.state) : null;
  const consented = granted !== undefined || detail.keys.some((key) => held.hasBasis(key));
  const isHeld = detail.keys.some((key) => held.isHeld(key));
  const sendable = revoked === undefined && consented && isHeld;
  const evidence = revoked ? null : granted?.state.evidenced?.evidence;
  return {
    detail: detail.value,
    detailKey: said?.id ?? (detail.keys[0] as string),
    status: revoked ? 'revoked' : granted ? 'granted' : 'none',
    blocked: false,
    sendable,
    reason: sendable ? null : revoked ? 'opted_out' : 'no_consent',
    since: statement?.at ?? null,
    origin: statement?.origin ?? null,
    initiative: statement?.initiative ?? null,
    ...(evidence ? { evidence } : {}),
  };
}
