import { createHash } from 'node:crypto';
import type { Rule } from './rule.js';

const asText = (rule: Rule): string => JSON.stringify(rule);

function byText(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function normaliseJoined(op: 'and' | 'or', rules: readonly Rule[]): Rule {
  const parts = new Map<string, Rule>();
  for (const rule of rules.map(normaliseRule)) {
    const inner = rule.op === op ? rule.rules : [rule];
    for (const each of inner) parts.set(asText(each), each);
  }
  const truth = asText({ op: 'true' });
  if (op === 'or' && parts.has(truth)) return { op: 'true' };
  parts.delete(truth);
  const sorted = [...parts].sort(([left], [right]) => byText(left, right)).map(([, rule]) => rule);
  const [only] = sorted;
  if (!only) return { op: 'true' };
  return sorted.length === 1 ? only : { op, rules: sorted };
}

/**
 * A form in which rules that differ only in order, brackets, repetition or double negation are equal objects. It finds
 * the same members; keep the original for people to read.
 */
export function normaliseRule(rule: Rule): Rule {
  switch (rule.op) {
    case 'and':
    case 'or':
      return normaliseJoined(rule.op, rule.rules);
    case 'not': {
      const inner = normaliseRule(rule.rule);
      return inner.op === 'not' ? inner.rule : { op: 'not', rule: inner };
    }
    case 'compare':
      if (rule.operator !== '!=') return { op: 'compare', ...pick(rule) };
      return { op: 'not', rule: { op: 'compare', ...pick({ ...rule, operator: '=' }) } };
    case 'in': {
      const values = [...new Set(rule.values)].sort((a, b) => byText(JSON.stringify(a), JSON.stringify(b)));
      const [value] = values;
      if (values.length === 1 && value !== undefined) {
        return { op: 'compare', property: rule.property, operator: '=', value };
      }
      return { op: 'in', property: rule.property, values };
    }
    case 'has':
      return { op: 'has', property: rule.property };
    case 'search':
      return { op: 'search', text: rule.text };
    case 'true':
      return { op: 'true' };
  }
}

/** Fixes the order of keys, on which the text of an object depends. */
function pick({ property, operator, value }: Extract<Rule, { op: 'compare' }>) {
  return { property, operator, value };
}

/** SHA-256 in hexadecimal of the normal form: equal for rules that say the same in another order. */
export function ruleHash(rule: Rule): string {
  return createHash('sha256')
    .update(asText(normaliseRule(rule)), 'utf8')
    .digest('hex');
}
