import type { FieldEvent } from '@muster/contracts/field';
import type { GroupEvent } from '@muster/contracts/group';
import { documentId } from '@muster/contracts/names';
import type { Fact } from '@muster/event-store/facts';
import type { Cause, FieldsDocument, GroupDocument } from './audience.model.js';
import { AccountBitmaps } from './bitmaps.js';
import { ruleSetAsOf, type RuleSet } from './rules.js';

/** A rule that changed, or a group that went, with members from before who are still to be evaluated. */
export interface PendingRule {
  groupId: string;
  cause: Cause;
  /** The rules in force right after the cause. */
  rules: RuleSet;
}

/** Groups, rules and fields of one account at one position. Never changed, only replaced. */
export interface Catalogue {
  groups: ReadonlyMap<string, GroupDocument>;
  rules: RuleSet;
  /** Oldest first. */
  pending: readonly PendingRule[];
  fields: FieldsDocument;
}

/** A walk over the members of an account because of the rules that were pending when it began. */
export interface Pass {
  targets: readonly PendingRule[];
  /** Ordinal of the last member seen. */
  cursor: number;
}

/** What the owner of an account keeps in memory. */
export interface AccountState {
  account: string;
  catalogue: Catalogue;
  bitmaps: AccountBitmaps;
  nextOrdinal: number;
  pass: Pass | null;
}

export function causeOf(fact: Fact): Cause {
  return { position: fact.position, id: fact.id, type: fact.type, at: fact.at };
}

export function makeCatalogue(groups: readonly GroupDocument[], fields: FieldsDocument): Catalogue {
  const pending = groups.flatMap(({ groupId, pending: causes }) =>
    causes.map((cause) => ({ groupId, cause, rules: ruleSetAsOf(groups, cause.position) })),
  );
  return {
    groups: new Map(groups.map((group) => [group.groupId, group])),
    rules: ruleSetAsOf(groups, Number.MAX_SAFE_INTEGER),
    pending: oldestFirst(pending),
    fields,
  };
}

/** The catalogue after an event of a group; the same one when the event was folded in before. */
export function foldGroup(catalogue: Catalogue, fact: Fact<GroupEvent>): Catalogue {
  const known = catalogue.groups.get(fact.streamId);
  if (known && known.position >= fact.position) return catalogue;
  const group = applyGroupEvent(known, fact);
  if (!group) return catalogue;
  const groups = new Map(catalogue.groups).set(group.groupId, group);
  const pendingBefore = known?.pending.length ?? 0;
  if (group.pending.length === pendingBefore) return { ...catalogue, groups };
  const added = {
    groupId: group.groupId,
    cause: causeOf(fact),
    rules: ruleSetAsOf(groups.values(), fact.position),
  };
  // When a batch is done again after a crash, groups may be there that come later in it.
  const isNewest = [...groups.values()].every((one) => one.position <= fact.position);
  const rules = isNewest ? added.rules : ruleSetAsOf(groups.values(), Number.MAX_SAFE_INTEGER);
  return { ...catalogue, groups, rules, pending: oldestFirst([...catalogue.pending, added]) };
}

function oldestFirst(pending: PendingRule[]): PendingRule[] {
  return pending.sort((a, b) => a.cause.position - b.cause.position);
}

/**
 * Whether members may be evaluated because of what is pending. After a crash between the catalogue and the checkpoint a
 * part of the batch's rules is there and others are not: a member that was evaluated because of the later ones would be
 * taken to have been evaluated because of the earlier ones, too.
 */
export function maySettle({ pending }: Catalogue, checkpoint: number): boolean {
  const newest = pending.at(-1);
  return newest !== undefined && newest.cause.position <= checkpoint;
}

function applyGroupEvent(known: GroupDocument | undefined, fact: Fact<GroupEvent>): GroupDocument | null {
  const event = fact as unknown as GroupEvent;
  const { account, streamId: groupId, position } = fact;
  if (event.type === 'GroupCreated') {
    const { name, kind, rule, categories } = event.data;
    return {
      _id: documentId(account, groupId),
      account,
      groupId,
      name,
      kind,
      categories,
      position,
      createdAt: fact.meta.at,
      createdPosition: position,
      deletedPosition: null,
      versions: rule === undefined ? [] : [{ position, rule }],
      pending: kind === 'dynamic' ? [causeOf(fact)] : [],
    };
  }
  if (!known || known.deletedPosition !== null) return null;
  switch (event.type) {
    case 'GroupRenamed': {
      const { name, categories } = event.data;
      return { ...known, position, name: name ?? known.name, categories: categories ?? known.categories };
    }
    case 'GroupRuleChanged': {
      const versions = [...known.versions, { position, rule: event.data.rule }];
      return { ...known, position, versions, pending: [...known.pending, causeOf(fact)] };
    }
    case 'GroupDeleted':
      return { ...known, position, deletedPosition: position, pending: [...known.pending, causeOf(fact)] };
    default:
      return null;
  }
}

export function foldFields(catalogue: Catalogue, fact: Fact<FieldEvent>): Catalogue {
  if (fact.type !== 'FieldAdded' || catalogue.fields.position >= fact.position) return catalogue;
  const { key, name, type, choices } = fact.data;
  const others = catalogue.fields.fields.filter((field) => field.key !== key);
  const fields = [...others, { key, name, type, ...(choices ? { choices } : {}) }];
  return { ...catalogue, fields: { _id: fact.account, position: fact.position, fields } };
}

/** The catalogue after every member has been evaluated because of the targets; and the groups that this changed. */
export function withoutPending(
  catalogue: Catalogue,
  targets: readonly PendingRule[],
): { catalogue: Catalogue; changed: GroupDocument[] } {
  const done = new Set(targets.map((target) => target.cause.id));
  const groups = new Map(catalogue.groups);
  const changed: GroupDocument[] = [];
  for (const group of catalogue.groups.values()) {
    const pending = group.pending.filter((cause) => !done.has(cause.id));
    if (pending.length === group.pending.length) continue;
    changed.push({ ...group, pending });
    groups.set(group.groupId, { ...group, pending });
  }
  const pending = catalogue.pending.filter((one) => !done.has(one.cause.id));
  return { catalogue: { ...catalogue, groups, pending }, changed };
}

/** Whether a group is there for people: created, and not deleted. */
export function isLive(group: GroupDocument | undefined): group is GroupDocument {
  return group !== undefined && group.deletedPosition === null;
}
