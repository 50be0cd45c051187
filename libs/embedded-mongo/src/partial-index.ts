import { compareValues, sameValue } from './bson-order.js';
import { rankOf } from './bson-types.js';
import { compileParsed } from './match.js';
import type { FieldFilter, Filter } from './match-types.js';

/**
 * Whether every document that meets the conditions is in an index with this partial filter. Errs on the
 * safe side:
 * false may be answered where true would be right.
 */
export function implies(conjuncts: readonly Filter[], partial: Filter): boolean {
  switch (partial.kind) {
    case 'and':
      return partial.children.every((child) => implies(conjuncts, child));
    case 'or':
      return partial.children.some((child) => implies(conjuncts, child));
    case 'field':
      return conjuncts.some(
        (each) => each.kind === 'field' && each.path === partial.path && entails(each, partial),
      );
    default:
      return false;
  }
}

/** The values of which a condition demands one, when it is of that form. */
function valuesOf(condition: FieldFilter): readonly unknown[] | undefined {
  if (condition.op === '$eq') return [condition.value];
  return condition.op === '$in' && condition.regexes.length === 0 ? condition.values : undefined;
}

const present = (value: unknown): boolean => value !== null && value !== undefined && !Array.isArray(value);

function entails(condition: FieldFilter, partial: FieldFilter): boolean {
  if (partial.op === '$exists') return entailsPresence(condition);
  const values = valuesOf(condition);
  if (values !== undefined) {
    const test = compileParsed({ ...partial, path: 'x' });
    return values.every((value) => !Array.isArray(value) && test({ x: value }));
  }
  if (condition.op === '$type' && partial.op === '$type') {
    return [...condition.types].every((type) => partial.types.has(type));
  }
  return isOrder(condition) && isOrder(partial) && entailsOrder(condition, partial);
}

function entailsPresence(condition: FieldFilter): boolean {
  const values = valuesOf(condition);
  if (values !== undefined) return values.every(present);
  if (isOrder(condition)) return present(condition.value);
  return ['$exists', '$type', '$regex', '$size', '$mod', '$elemMatch'].includes(condition.op);
}

type Order = FieldFilter & { op: '$gt' | '$gte' | '$lt' | '$lte' };

const isOrder = (condition: FieldFilter): condition is Order =>
  ['$gt', '$gte', '$lt', '$lte'].includes(condition.op);

function entailsOrder(condition: Order, partial: Order): boolean {
  if (condition.op[1] !== partial.op[1] || rankOf(condition.value) !== rankOf(partial.value)) return false;
  if (!present(condition.value)) return false;
  if (sameValue(condition.value, partial.value)) return condition.op.length <= partial.op.length;
  const order = compareValues(condition.value, partial.value);
  return condition.op[1] === 'g' ? order > 0 : order < 0;
}
