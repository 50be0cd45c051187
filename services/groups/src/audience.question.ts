import { Injectable } from '@nestjs/common';
import type { AudienceQuestion } from '@muster/contracts/audience';
import { changesSince } from '@muster/contracts/consent';
import { ALL_CONTACTS, type RuleJson } from '@muster/contracts/group';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { groupsOf } from '@muster/rule/fields-of';
import { printRule } from '@muster/rule/print';
import { toMongo } from '@muster/rule/to-mongo';
import { Bus } from '@muster/runtime/bus';
import type { mongo } from 'mongoose';
import { RoaringBitmap32 } from 'roaring-wasm';
import { isLive, type AccountState } from './account.state.js';
import { answerOf, revoke, type Answer } from './audience.answer.js';
import type { MemberDocument } from './audience.model.js';
import { Audiences } from './audience.worker.js';
import { primaryOf, type Bitmap } from './bitmaps.js';
import { readRule } from './group.directory.js';
import { GroupViews } from './group.views.js';

/** Changes that one question asks for; more than this, and the model is too far behind to answer from. */
const CHANGES_MAX = 5_000;
const TRIES = 3;
const QUERIES_KEPT = 32;

interface Matching {
  contacts: Bitmap;
  /** The groups that the query names. */
  groups: ReadonlySet<string>;
}

export interface Answered {
  answer: Answer;
  /** The answer is exact for this position. */
  position: number;
  /** Keys that were revoked after it; whoever is handed out is held against them once more. */
  revoked: ReadonlySet<string>;
}

/** Whether something was said under any key of a detail. */
export function isRevokedSince(
  detail: { said: readonly { key: string }[] },
  revoked: ReadonlySet<string>,
): boolean {
  return detail.said.some(({ key }) => revoked.has(key));
}

/**
 * Answers questions about groups so that no acknowledged STOP is missed: first the model's position, then the model, then
 * what was revoked since that position, which compliance knows from its heads.
 */
@Injectable()
export class Questions {
  private readonly queries = new Map<string, Matching>();

  constructor(
    private readonly audiences: Audiences,
    private readonly views: GroupViews,
    private readonly bus: Bus,
  ) {}

  /** @throws Refusal `group:not_found`, `audience:lagging`, `read:behind`, and what is wrong with the query */
  async answer(envelope: Envelope, question: AudienceQuestion, atLeast?: number): Promise<Answered> {
    const { account } = envelope;
    for (let attempt = 1; ; attempt += 1) {
      const { position } = await this.audiences.view(account, atLeast);
      const query = question.query === undefined ? null : await this.matching(account, question.query);
      const { state } = await this.audiences.view(account);
      checkGroups(state, [...question.include, ...question.exclude, ...(query?.groups ?? [])]);
      const answer = answerOf(state.bitmaps, question, query?.contacts ?? null);
      const revoked = await this.revokedSince(envelope, position);
      if (revoked.size === 0) return { answer, position, revoked };
      revoke(answer, await this.ordinalsOf(account, question, revoked));
      const moved = (await this.audiences.view(account)).position !== position;
      if (!moved || attempt >= TRIES) return { answer, position, revoked };
    }
  }

  /**
   * Keys that were revoked after a position, every acknowledged STOP among them.
   * @throws Refusal `audience:lagging` when there are too many to be told
   */
  async revokedSince(envelope: Envelope, position: number): Promise<ReadonlySet<string>> {
    const asked = { after: position, limit: CHANGES_MAX };
    const { changes, complete } = await this.bus.ask(changesSince, envelope, asked);
    if (!complete) throw new Refusal('audience:lagging', { position });
    return new Set(changes.filter(({ standing }) => standing === 'revoked').map(({ key }) => key));
  }

  /** Contacts whose primary detail has one of the keys. */
  private async ordinalsOf(
    account: string,
    question: AudienceQuestion,
    revoked: ReadonlySet<string>,
  ): Promise<number[]> {
    const ordinals: number[] = [];
    const holders = this.audiences.collections.members.find({ account, keys: { $in: [...revoked] } });
    for await (const member of holders) {
      const primary = primaryOf(member, question.channel);
      if (primary && isRevokedSince(primary, revoked)) ordinals.push(member.ordinal);
    }
    return ordinals;
  }

  /** Contacts that match a query. Kept for as long as the model does not move, so that pages do not ask again. */
  private async matching(account: string, query: string | RuleJson): Promise<Matching> {
    const { state, position } = await this.audiences.view(account);
    const rule = readRule(query, await this.views.catalogue(account, state), 'query');
    const name = `${account} ${position} ${printRule(rule)}`;
    const known = this.queries.get(name);
    if (known) return known;
    const found = new RoaringBitmap32();
    const filter = { account, deleted: false, $and: [toMongo(rule), {}] } as mongo.Filter<MemberDocument>;
    const matches = this.audiences.collections.members.find(filter).project<{ ordinal: number }>({
      _id: 0,
      ordinal: 1,
    });
    for await (const { ordinal } of matches.batchSize(10_000)) found.add(ordinal);
    if (this.queries.size >= QUERIES_KEPT) this.queries.clear();
    const matching = { contacts: found, groups: groupsOf(rule) };
    this.queries.set(name, matching);
    return matching;
  }
}

/**
 * A group whose members are still being evaluated would give a wrong answer.
 * @throws Refusal `group:not_found`, `audience:lagging`
 */
function checkGroups(state: AccountState, groups: readonly string[]): void {
  for (const groupId of groups) {
    if (groupId === ALL_CONTACTS) continue;
    const group = state.catalogue.groups.get(groupId);
    if (!isLive(group)) throw new Refusal('group:not_found', { group: groupId });
  }
  const unsettled = state.catalogue.pending.find((one) => dependsOn(state, groups, one.groupId));
  if (unsettled) throw new Refusal('audience:lagging', { group: unsettled.groupId });
}

/** Whether a group asked for is the pending one, or a dynamic one that may follow from it. */
function dependsOn(state: AccountState, groups: readonly string[], pending: string): boolean {
  return groups.includes(pending) || groups.some((group) => state.catalogue.rules.follows(group, pending));
}
