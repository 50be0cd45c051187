import { type FieldCatalogue, groupName } from './catalogue.js';
import type { Rule, RuleValue } from './rule.js';

const PLAIN_NAME = /^[\p{L}_][\p{L}\p{N}_.-]*$/u;
const RESERVED = /^(?:and|or|not|has|true)$/i;

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function printName(property: string): string {
  return PLAIN_NAME.test(property) && !RESERVED.test(property) ? property : quote(property);
}

function printValue(property: string, value: RuleValue, catalogue?: FieldCatalogue): string {
  if (typeof value !== 'string') return String(value);
  return quote((property === 'group' && catalogue && groupName(catalogue, value)) || value);
}

function inner(rule: Rule, parent: Rule['op'], catalogue?: FieldCatalogue): string {
  const text = printRule(rule, catalogue);
  const bare = parent === 'or' ? rule.op !== 'or' : rule.op !== 'or' && rule.op !== 'and';
  return bare ? text : `(${text})`;
}

/**
 * The text form of a rule: what parseRule reads as the same rule. Fields appear under their keys. Groups appear
 * under their ids, or with a catalogue, for people, under their names.
 */
export function printRule(rule: Rule, catalogue?: FieldCatalogue): string {
  switch (rule.op) {
    case 'true':
      return 'true';
    case 'search':
      return quote(rule.text);
    case 'has':
      return `has ${printName(rule.property)}`;
    case 'compare':
      return `${printName(rule.property)} ${rule.operator} ${printValue(rule.property, rule.value, catalogue)}`;
    case 'in': {
      const values = rule.values.map((value) => printValue(rule.property, value, catalogue));
      return `${printName(rule.property)} in (${values.join(', ')})`;
    }
    case 'not':
      return `not ${inner(rule.rule, 'not', catalogue)}`;
    case 'and':
    case 'or':
      return rule.rules.map((each) => inner(each, rule.op, catalogue)).join(` ${rule.op} `);
  }
}
