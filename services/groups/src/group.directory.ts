import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { FieldEvent } from '@muster/contracts/field';
import { ALL_CONTACTS, type GroupEvent, type RuleJson } from '@muster/contracts/group';
import { Refusal } from '@muster/contracts/errors';
import { documentId, streamName } from '@muster/contracts/names';
import { Accounts } from '@muster/event-store/accounts';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import type { Fact } from '@muster/event-store/facts';
import type { Follower } from '@muster/event-store/follow';
import { Heads } from '@muster/event-store/heads';
import { repairHeads } from '@muster/event-store/repair';
import type { CatalogueField, FieldCatalogue } from '@muster/rule/catalogue';
import { fieldsOf, groupsOf } from '@muster/rule/fields-of';
import { fold } from '@muster/rule/fold';
import { parseRule, readPrintedRule, type ParsedRule } from '@muster/rule/parse';
import { printRule } from '@muster/rule/print';
import type { Rule } from '@muster/rule/rule';
import { validateRule } from '@muster/rule/validate';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import type { mongo } from 'mongoose';
import { evolve, NO_GROUP, type GroupState, type Others, type ReadRule } from './domain/group.js';
import { ensureGroupIndexes, type GroupHead, type NameClaim } from './group.model.js';

/** The name of the built-in group, which no other may have. */
export const ALL_CONTACTS_NAME = 'All contacts';
/** How long a name stays with a group that is not created yet, in milliseconds. */
const CLAIM_MS = 15_000;
const DUPLICATE_KEY = 11_000;

/** @throws Refusal with the place and what was expected there */
export function readRule(rule: string | RuleJson, catalogue: FieldCatalogue, path = 'rule'): Rule {
  const parsed: ParsedRule =
    typeof rule === 'string' ? parseRule(rule, catalogue) : validateRule(rule, catalogue);
  if (parsed.ok) return parsed.rule;
  const { code, position, expected, message, path: place } = parsed.error;
  throw new Refusal(code, { path, position, expected, message, ...(place === undefined ? {} : { place }) });
}

/** The stored text of a rule as people know it: groups by their names. */
export function displayRule(stored: string, catalogue: FieldCatalogue): string {
  const parsed = readPrintedRule(stored);
  return parsed.ok ? printRule(parsed.rule, catalogue) : stored;
}

export function forDecision(rule: Rule): ReadRule {
  const references = groupsOf(rule);
  const anyGroup = asksForAnyGroup(rule);
  return { text: printRule(rule), references, anyGroup };
}

function asksForAnyGroup(rule: Rule): boolean {
  if (rule.op === 'and' || rule.op === 'or') return rule.rules.some(asksForAnyGroup);
  if (rule.op === 'not') return asksForAnyGroup(rule.rule);
  return rule.op === 'has' && fieldsOf(rule).has('group');
}

/** The groups of an account as their streams have them: current with every command that was answered. */
@Injectable()
export class GroupDirectory implements OnModuleInit, OnModuleDestroy {
  readonly decider: Decider<GroupState, GroupEvent>;
  private readonly heads: mongo.Collection<GroupHead>;
  private readonly names: mongo.Collection<NameClaim>;
  private repair: Follower | null = null;
  private starting: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly store: EventStore,
    private readonly accounts: Accounts,
    private readonly database: Database,
    private readonly log: Log,
    readiness: Readiness,
  ) {
    this.heads = database.collection<GroupHead>('group_heads');
    this.names = database.collection<NameClaim>('group_names');
    this.decider = new Decider<GroupState, GroupEvent>({
      store,
      heads: new Heads<GroupState>(this.heads),
      category: 'group',
      initial: NO_GROUP,
      evolve: (state, event, { meta }) => evolve(state, event, { at: meta.at }),
      confirmNothing: true,
    });
    readiness.register('group heads', () => this.repair?.live ?? false);
  }

  onModuleInit(): void {
    this.starting = this.begin();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await this.starting;
    await this.repair?.stop();
  }

  private async begin(): Promise<void> {
    const checkpoints = new Checkpoints(this.database.collection('checkpoints'));
    const onError = (error: unknown): void => this.log.error('repair of group heads', error);
    while (!this.stopped && !this.repair) {
      try {
        await ensureGroupIndexes(this.heads);
        this.repair = await repairHeads(this.store, this.decider, checkpoints, 'group', onError);
      } catch (error) {
        onError(error);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  /** Live groups of an account. */
  async all(account: string): Promise<GroupState[]> {
    const heads = await this.heads.find({ account, 'state.life': 'live' }).toArray();
    return heads.map((head) => head.state);
  }

  /** What rules may speak of, read from the streams, so that a field added just now counts. */
  async catalogue(account: string, groups: readonly GroupState[]): Promise<FieldCatalogue> {
    const [facts, { defaultCountry, timeZone }] = await Promise.all([
      this.store.read(streamName('fields', account)),
      this.accounts.get(account),
    ]);
    const fields = (facts as Fact<FieldEvent>[]).flatMap((fact): CatalogueField[] =>
      fact.type === 'FieldAdded' ? [fact.data] : [],
    );
    return { fields, groups: named(groups), defaultCountry, timeZone };
  }

  /** Facts about the other groups for a decision about one. */
  others(groups: readonly GroupState[], holderOfName: string | null): Others {
    const references = new Map<string, ReadonlySet<string>>();
    for (const { groupId, rule } of groups) {
      const parsed = rule === null ? null : readPrintedRule(rule);
      if (groupId !== null && parsed?.ok) references.set(groupId, groupsOf(parsed.rule));
    }
    return { holderOfName, count: groups.length, references };
  }

  /**
   * Takes a name for a group. Answers the group that has it already: this one, or another. A name that a group no longer
   * has, or that was taken for a group that never came, is free.
   */
  async claimName(
    account: string,
    name: string,
    groupId: string,
    groups: readonly GroupState[],
  ): Promise<string> {
    const folded = fold(name);
    if (folded === fold(ALL_CONTACTS_NAME)) return ALL_CONTACTS;
    const holder = groups.find((group) => group.groupId !== groupId && fold(group.name) === folded);
    if (holder?.groupId) return holder.groupId;
    const _id = documentId(account, folded);
    for (let attempt = 0; attempt < 5; attempt += 1) {
      try {
        await this.names.insertOne({ _id, account, groupId, at: new Date() });
        return groupId;
      } catch (error) {
        if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
      }
      const claim = await this.names.findOne({ _id });
      if (!claim) continue;
      if (claim.groupId === groupId || (await this.holds(account, claim, folded))) return claim.groupId;
      const taken = { _id, groupId: claim.groupId, at: claim.at };
      const result = await this.names.updateOne(taken, { $set: { groupId, at: new Date() } });
      if (result.modifiedCount === 1) return groupId;
    }
    throw new Refusal('service:busy');
  }

  /** Gives a name back that was claimed for nothing. */
  async releaseName(account: string, name: string, groupId: string): Promise<void> {
    await this.names.deleteOne({ _id: documentId(account, fold(name)), groupId });
  }

  private async holds(account: string, claim: NameClaim, folded: string): Promise<boolean> {
    const { state } = await this.decider.load(account, claim.groupId);
    if (state.life === 'none') return Date.now() - claim.at.getTime() < CLAIM_MS;
    return state.life === 'live' && fold(state.name) === folded;
  }
}

export function named(groups: readonly GroupState[]): { id: string; name: string }[] {
  return groups.flatMap(({ groupId, name }) => (groupId === null ? [] : [{ id: groupId, name }]));
}
