/** A value of a property: a text (dates and instants too), a number or a truth value. */
export type RuleValue = string | number | boolean;

export type CompareOperator = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '^=';

export interface Compare {
  op: 'compare';
  property: string;
  operator: CompareOperator;
  value: RuleValue;
}

export interface In {
  op: 'in';
  property: string;
  values: RuleValue[];
}

/** The conditions of a rule, as opposed to what joins them. */
export type Condition = Compare | In | { op: 'has'; property: string } | { op: 'search'; text: string };

/**
 * JSON form of a rule, equal to its text form. `true` holds for every contact.
 *
 * What is missing: a property without a value is equal to nothing, greater or smaller than nothing, and contains
 * nothing. `a != x` is `not a = x` and therefore true where `a` is missing; `not` always turns its rule round.
 * A property with several values (phones, e-mails, groups and their parts) compares true if any value does.
 */
export type Rule =
  Condition | { op: 'and' | 'or'; rules: Rule[] } | { op: 'not'; rule: Rule } | { op: 'true' };

/** Conditions (compare, in, has, search) in one rule. */
export const CONDITIONS_MAX = 250;
/** Levels of and, or, not and brackets above a condition. */
export const DEPTH_MAX = 20;
/** Length of the text form, in UTF-16 units. */
export const LENGTH_MAX = 10_000;

export const COMPARE_OPERATORS: readonly CompareOperator[] = ['=', '!=', '<', '<=', '>', '>=', '~', '^='];

/** The rules directly inside a rule. */
export function childrenOf(rule: Rule): readonly Rule[] {
  if (rule.op === 'and' || rule.op === 'or') return rule.rules;
  return rule.op === 'not' ? [rule.rule] : [];
}

/** Levels of and, or and not above the deepest condition. */
export function depthOf(rule: Rule): number {
  const children = childrenOf(rule);
  return children.length === 0 ? 0 : 1 + Math.max(...children.map(depthOf));
}

/** Every condition of the rule, from left to right. */
export function conditionsOf(rule: Rule): Condition[] {
  switch (rule.op) {
    case 'and':
    case 'or':
      return rule.rules.flatMap(conditionsOf);
    case 'not':
      return conditionsOf(rule.rule);
    case 'true':
      return [];
    default:
      return [rule];
  }
}
