import { Refusal } from '@muster/contracts/errors';
import { ALL_CONTACTS, GROUPS_MAX, type GroupEvent, type GroupKind } from '@muster/contracts/group';

export interface GroupState {
  groupId: string | null;
  life: 'none' | 'live' | 'deleted';
  name: string;
  kind: GroupKind;
  /** Text form of a dynamic group's rule, with groups by id; null for a standard group. */
  rule: string | null;
  categories: string[];
  createdAt: string | null;
}

export const NO_GROUP: GroupState = {
  groupId: null,
  life: 'none',
  name: '',
  kind: 'standard',
  rule: null,
  categories: [],
  createdAt: null,
};

/** What the fold needs to know of an event beside its data. */
export interface Occasion {
  /** When the edge took the command in. */
  at: string;
}

export function evolve(state: GroupState, event: GroupEvent, { at }: Occasion): GroupState {
  switch (event.type) {
    case 'GroupCreated': {
      const { groupId, name, kind, rule, categories } = event.data;
      return { groupId, life: 'live', name, kind, rule: rule ?? null, categories, createdAt: at };
    }
    case 'GroupRenamed': {
      const { name, categories } = event.data;
      return { ...state, name: name ?? state.name, categories: categories ?? state.categories };
    }
    case 'GroupRuleChanged':
      return { ...state, rule: event.data.rule };
    case 'GroupDeleted':
      return { ...state, life: 'deleted' };
    default:
      return state;
  }
}

/** What was looked up about the account's other groups before a decision. */
export interface Others {
  /** The group that has the wanted name already, if any. */
  holderOfName: string | null;
  /** Live groups of the account. */
  count: number;
  /** For every dynamic group, the groups that its rule names. */
  references: ReadonlyMap<string, ReadonlySet<string>>;
}

/** A rule that was read and is known to fit the account's fields and groups. */
export interface ReadRule {
  text: string;
  references: ReadonlySet<string>;
  /** Whether the rule asks for any group at all, as `has group` does. */
  anyGroup: boolean;
}

export interface CreateGroup {
  groupId: string;
  name: string;
  kind: GroupKind;
  rule: ReadRule | null;
  categories: readonly string[];
}

/** @throws Refusal `group:name_taken`, `group:too_many`, `group:rule_required`, `group:standard`, `rule:invalid_value` */
export function createGroup(state: GroupState, create: CreateGroup, others: Others): GroupEvent[] {
  if (state.life !== 'none') return [];
  const { groupId, name, kind, rule } = create;
  if (others.count >= GROUPS_MAX) throw new Refusal('group:too_many', { limit: GROUPS_MAX });
  refuseTakenName(groupId, others);
  if (kind === 'standard' && rule) throw new Refusal('group:standard', { path: 'rule' });
  if (kind === 'dynamic' && !rule) throw new Refusal('group:rule_required', { path: 'rule' });
  if (rule) refuseCycle(groupId, rule, others.references);
  const data = {
    groupId,
    name,
    kind,
    ...(rule ? { rule: rule.text } : {}),
    categories: [...create.categories],
  };
  return [{ type: 'GroupCreated', data }];
}

export interface ChangeGroup {
  name?: string | undefined;
  rule?: ReadRule | undefined;
  categories?: readonly string[] | undefined;
}

/** @throws Refusal `group:not_found`, `group:name_taken`, `group:standard`, `rule:invalid_value` */
export function changeGroup(state: GroupState, change: ChangeGroup, others: Others): GroupEvent[] {
  if (state.life !== 'live' || state.groupId === null) throw new Refusal('group:not_found');
  const events: GroupEvent[] = [];
  const renamed = change.name !== undefined && change.name !== state.name;
  if (renamed) refuseTakenName(state.groupId, others);
  const categories =
    change.categories && !equal(change.categories, state.categories) ? change.categories : null;
  if (renamed || categories) {
    const data = {
      ...(renamed ? { name: change.name } : {}),
      ...(categories ? { categories: [...categories] } : {}),
    };
    events.push({ type: 'GroupRenamed', data });
  }
  if (change.rule) {
    if (state.kind === 'standard') throw new Refusal('group:standard', { path: 'rule' });
    refuseCycle(state.groupId, change.rule, others.references);
    if (change.rule.text !== state.rule) {
      events.push({ type: 'GroupRuleChanged', data: { rule: change.rule.text } });
    }
  }
  return events;
}

/** @throws Refusal `group:not_found`; `group:in_use` with the groups whose rules name it */
export function deleteGroup(state: GroupState, others: Pick<Others, 'references'>): GroupEvent[] {
  if (state.life === 'none') throw new Refusal('group:not_found');
  if (state.life === 'deleted') return [];
  const users = [...others.references]
    .filter(([user, named]) => user !== state.groupId && named.has(state.groupId as string))
    .map(([user]) => ({ kind: 'group', id: user }));
  if (users.length > 0) throw new Refusal('group:in_use', { users });
  return [{ type: 'GroupDeleted', data: {} }];
}

/** @throws Refusal `group:builtin`, `group:not_found`, `group:dynamic` */
export function refuseManualMembers(groupId: string, state: GroupState): void {
  refuseBuiltIn(groupId);
  if (state.life !== 'live') throw new Refusal('group:not_found');
  if (state.kind === 'dynamic') throw new Refusal('group:dynamic');
}

/** @throws Refusal `group:builtin` */
export function refuseBuiltIn(groupId: string): void {
  if (groupId === ALL_CONTACTS) throw new Refusal('group:builtin');
}

function refuseTakenName(groupId: string, { holderOfName }: Others): void {
  if (holderOfName !== null && holderOfName !== groupId) {
    throw new Refusal('group:name_taken', { path: 'name', group: holderOfName });
  }
}

/**
 * A group whose membership depends on itself has no membership. `has group` in the rule of a group does that: whoever
 * enters because of it has a group from then on.
 */
function refuseCycle(
  groupId: string,
  rule: ReadRule,
  references: ReadonlyMap<string, ReadonlySet<string>>,
): void {
  if (rule.anyGroup) throw new Refusal('rule:invalid_value', { path: 'rule', reason: 'any_group' });
  const seen = new Set<string>();
  const open = [...rule.references];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === groupId) throw new Refusal('rule:invalid_value', { path: 'rule', reason: 'cycle' });
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...(references.get(next) ?? []));
  }
}

function equal(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one, index) => one === right[index]);
}
