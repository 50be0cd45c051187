import { conditionsOf, type Rule } from './rule.js';

/** Stands for every searchable property. */
export const ANY_PROPERTY = '*';

/**
 * The properties whose change may change the answer of the rule: field keys and built-in names. `name` brings the two
 * names it is made of; a search depends on `*`. A member none of whose properties is here need not be evaluated again.
 */
export function fieldsOf(rule: Rule): Set<string> {
  const properties = new Set<string>();
  for (const condition of conditionsOf(rule)) {
    if (condition.op === 'search') properties.add(ANY_PROPERTY);
    else properties.add(condition.property);
  }
  if (properties.has('name')) properties.add('firstName').add('lastName');
  return properties;
}

/** The ids of the groups that the rule names. `has group` names none and depends on all, which fieldsOf tells. */
export function groupsOf(rule: Rule): Set<string> {
  const groups = new Set<string>();
  for (const condition of conditionsOf(rule)) {
    if (condition.op === 'compare' && condition.property === 'group') groups.add(String(condition.value));
    if (condition.op === 'in' && condition.property === 'group') {
      for (const value of condition.values) groups.add(String(value));
    }
  }
  return groups;
}
