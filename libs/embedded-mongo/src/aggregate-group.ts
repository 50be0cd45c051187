import { compileWithNames } from './aggregate-expressions.js';
import { accumulators } from './aggregate-accumulators.js';
import type { Variables } from './aggregate-values.js';
import { encodeKey } from './bson-order.js';
import { isDocument, setOwn, typeNameOf, type Document } from './bson-types.js';
import { serverError, unknownExpression } from './errors.js';

type Group = { readonly id: unknown; readonly states: { add(value: unknown): void; result(): unknown }[] };

/**
 * `$group`: one document per distinct `_id` value, in order of first appearance. Values are distinct as in
 * queries: 1 and NumberLong(1) are one group, and a missing `_id` value joins null.
 */
export function groupStage(
  argument: unknown,
  context: { readonly let?: Variables },
): (documents: Iterable<Document>) => Iterable<Document> {
  if (!isDocument(argument)) throw serverError(15947, "a group's fields must be specified in an object");
  if (!Object.hasOwn(argument, '_id')) throw serverError(15955, 'a group specification must include an _id');
  const names = new Set(Object.keys(context.let ?? {}));
  const variables = { NOW: new Date(), ...context.let };
  const idOf = compileWithNames(argument['_id'], names);
  const fields = Object.keys(argument)
    .filter((key) => key !== '_id')
    .map((key) => compileField(key, argument[key], names));
  return function* (documents) {
    const groups = new Map<string, Group>();
    for (const root of documents) {
      const scope = { root, variables };
      const id = idOf(scope) ?? null;
      const key = encodeKey(id).toString('latin1');
      let group = groups.get(key);
      if (!group) groups.set(key, (group = { id, states: fields.map((field) => field.start()) }));
      for (const [i, field] of fields.entries()) group.states[i]!.add(field.evaluate(scope));
    }
    for (const { id, states } of groups.values()) {
      const result: Document = { _id: id };
      for (const [i, field] of fields.entries()) setOwn(result, field.key, states[i]!.result());
      yield result;
    }
  };
}

function compileField(key: string, value: unknown, names: ReadonlySet<string>) {
  if (key.includes('.')) throw serverError(40235, `The field name '${key}' cannot contain '.'`);
  if (key.startsWith('$')) throw serverError(40236, `The field name '${key}' cannot be an operator name`);
  if (!isDocument(value)) {
    throw serverError(40234, `The field '${key}' must be an accumulator object, not ${typeNameOf(value)}`);
  }
  const operators = Object.keys(value);
  if (operators.length !== 1) throw serverError(40238, `The field '${key}' must specify one accumulator`);
  const name = operators[0]!;
  const accumulator = accumulators.get(name);
  if (!accumulator)
    throw name.startsWith('$')
      ? serverError(15952, `unknown group operator '${name}'`)
      : unknownExpression(name);
  const { argument, start } = accumulator(value[name]);
  return { key, evaluate: compileWithNames(argument, names), start };
}
