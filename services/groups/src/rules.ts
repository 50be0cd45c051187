import { fieldsOf, groupsOf } from '@muster/rule/fields-of';
import { evaluate } from '@muster/rule/evaluate';
import { readPrintedRule } from '@muster/rule/parse';
import type { Rule } from '@muster/rule/rule';
import { changedProperties } from './audience.fold.js';
import type { GroupDocument, MemberDocument } from './audience.model.js';

interface CompiledGroup {
  groupId: string;
  rule: Rule;
}

/** A member after an evaluation, and what came of it. */
export interface Evaluated {
  member: MemberDocument;
  entered: string[];
  left: string[];
}

const compiled = new Map<string, Rule>();
const COMPILED_MAX = 5_000;

/** A stored rule that this release cannot read has no members: it is safer to leave people out than to text them. */
function compile(text: string): Rule {
  const known = compiled.get(text);
  if (known) return known;
  const parsed = readPrintedRule(text);
  const rule: Rule = parsed.ok ? parsed.rule : { op: 'not', rule: { op: 'true' } };
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(text, rule);
  return rule;
}

/**
 * The rules of an account's dynamic groups as of one position. Groups that others name come first, so that one pass
 * settles a member however its memberships depend on each other.
 */
export class RuleSet {
  private readonly ordered: CompiledGroup[];
  private readonly byProperty = new Map<string, number[]>();
  private readonly byGroup = new Map<string, number[]>();
  private readonly indexOf = new Map<string, number>();

  constructor(groups: Iterable<{ groupId: string; rule: string }>) {
    const rules = [...groups].map(({ groupId, rule }) => ({ groupId, rule: compile(rule) }));
    this.ordered = dependentsLast(rules.sort((a, b) => (a.groupId < b.groupId ? -1 : 1)));
    this.ordered.forEach(({ groupId, rule }, index) => {
      this.indexOf.set(groupId, index);
      for (const property of fieldsOf(rule)) add(this.byProperty, property, index);
      for (const named of groupsOf(rule)) add(this.byGroup, named, index);
    });
  }

  /** Whether the members of a group may depend on those of another, by however many steps. */
  follows(groupId: string, named: string): boolean {
    const index = this.indexOf.get(groupId);
    if (index === undefined) return false;
    const references = groupsOf((this.ordered[index] as CompiledGroup).rule);
    return (
      references.has(named) || [...references].some((one) => one !== groupId && this.follows(one, named))
    );
  }

  /** Every rule, for a member that is new. */
  evaluateAll(member: MemberDocument, now: string): Evaluated {
    return this.run(member, new Set(this.ordered.keys()), now);
  }

  /** Only the rules that ask for something in which the two states differ, and those that depend on their outcome. */
  evaluateChange(before: MemberDocument, after: MemberDocument, now: string): Evaluated {
    if (this.ordered.length === 0) return { member: after, entered: [], left: [] };
    const due = new Set<number>();
    for (const property of changedProperties(before, after)) {
      this.byProperty.get(property)?.forEach((index) => due.add(index));
    }
    for (const groupId of symmetricDifference(before.groups, after.groups)) this.markDependents(groupId, due);
    return this.run(after, due, now);
  }

  /** One group whose rule changed, or that is gone, and the groups that depend on it. */
  evaluateGroup(member: MemberDocument, groupId: string, now: string): Evaluated {
    const index = this.indexOf.get(groupId);
    if (index !== undefined) return this.run(member, new Set([index]), now);
    if (!member.groups.includes(groupId)) return { member, entered: [], left: [] };
    const due = new Set<number>();
    this.markDependents(groupId, due);
    const without = { ...member, groups: member.groups.filter((group) => group !== groupId) };
    return this.run(without, due, now);
  }

  private markDependents(groupId: string, due: Set<number>): void {
    this.byGroup.get(groupId)?.forEach((index) => due.add(index));
    this.byProperty.get('group')?.forEach((index) => {
      if (groupsOf((this.ordered[index] as CompiledGroup).rule).size === 0) due.add(index);
    });
  }

  private run(member: MemberDocument, due: Set<number>, now: string): Evaluated {
    if (due.size === 0) return { member, entered: [], left: [] };
    let current = member;
    const entered: string[] = [];
    const left: string[] = [];
    for (let index = Math.min(...due); index < this.ordered.length; index += 1) {
      if (!due.has(index)) continue;
      const { groupId, rule } = this.ordered[index] as CompiledGroup;
      const { matches } = evaluate(rule, current, now);
      if (matches === current.groups.includes(groupId)) continue;
      const groups = matches
        ? [...current.groups, groupId].sort()
        : current.groups.filter((group) => group !== groupId);
      current = { ...current, groups };
      (matches ? entered : left).push(groupId);
      this.markDependents(groupId, due);
    }
    return { member: current, entered, left };
  }
}

function add(index: Map<string, number[]>, key: string, value: number): void {
  const known = index.get(key);
  if (known) known.push(value);
  else index.set(key, [value]);
}

function* symmetricDifference(left: readonly string[], right: readonly string[]): Iterable<string> {
  if (left === right) return;
  for (const one of left) if (!right.includes(one)) yield one;
  for (const one of right) if (!left.includes(one)) yield one;
}

/** Depth-first, so that what a rule names stands before it. A cycle, which commands refuse, is cut where it is met. */
function dependentsLast(rules: readonly CompiledGroup[]): CompiledGroup[] {
  const byId = new Map(rules.map((rule) => [rule.groupId, rule]));
  const placed = new Set<string>();
  const ordered: CompiledGroup[] = [];
  const place = (rule: CompiledGroup): void => {
    if (placed.has(rule.groupId)) return;
    placed.add(rule.groupId);
    for (const named of [...groupsOf(rule.rule)].sort()) {
      const other = byId.get(named);
      if (other) place(other);
    }
    ordered.push(rule);
  };
  rules.forEach(place);
  return ordered;
}

/** The rules in force at a position: of groups that were there, in the newest version up to it. */
export function ruleSetAsOf(groups: Iterable<GroupDocument>, position: number): RuleSet {
  const rules: { groupId: string; rule: string }[] = [];
  for (const group of groups) {
    const gone = group.deletedPosition !== null && group.deletedPosition <= position;
    const version = group.versions.findLast((one) => one.position <= position);
    if (!gone && version && group.kind === 'dynamic')
      rules.push({ groupId: group.groupId, rule: version.rule });
  }
  return new RuleSet(rules);
}
