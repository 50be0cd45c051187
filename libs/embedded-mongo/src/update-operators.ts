import { Decimal128, Long, Timestamp } from 'bson';
import { arithmetic, bitwise, exactInteger, type BsonNumber } from './bson-numbers.js';
import { compareValues } from './bson-order.js';
import { cloneValue, describeValue, isDocument, rankOf, typeNameOf, TypeRank } from './bson-types.js';
import { badValue, failedToParse, typeMismatch, type CommandError } from './errors.js';
import type { Outcome } from './update-path.js';

/** What an operator may know of the update it is part of. */
export type UpdateContext = {
  readonly path: string;
  /** `{_id: 1}` as shown in messages. */
  readonly idText: string;
  readonly now: Date;
};
/** Maps the current value (undefined when missing) to what becomes of it. */
export type Change = (current: unknown, context: UpdateContext) => Outcome;
/** One update operator: its argument is checked once, before any document is changed. */
export type UpdateOperator = {
  /** Whether absent parents of the path are created. */
  readonly creates: boolean;
  readonly prepare: (argument: unknown, path: string) => Change;
};

/** Leaves the value alone. */
export const KEEP: Outcome = { kind: 'keep' };
/** Stores a value. */
export const set = (value: unknown): Outcome => ({ kind: 'set', value });

const isNumeric = (value: unknown): value is BsonNumber => rankOf(value) === TypeRank.number;
const lastPart = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

const setValue: UpdateOperator = {
  creates: true,
  prepare: (argument) => () => set(cloneValue(argument)),
};

const unset: UpdateOperator = {
  creates: false,
  prepare: () => (current) => (current === undefined ? KEEP : { kind: 'remove' }),
};

function nonNumeric(op: string, current: unknown, { idText, path }: UpdateContext): CommandError {
  return typeMismatch(
    `Cannot apply ${op} to a value of non-numeric type. {${idText}} has the field '${lastPart(path)}' of ` +
      `non-numeric type ${typeNameOf(current)}`,
  );
}

function calculate(op: '$inc' | '$mul', kind: 'add' | 'multiply', verb: string): UpdateOperator {
  return {
    creates: true,
    prepare: (argument, path) => {
      if (!isNumeric(argument)) {
        throw typeMismatch(`Cannot ${verb} with non-numeric argument: {${path}: ${describeValue(argument)}}`);
      }
      return (current, context) => {
        if (current === undefined) return set(op === '$inc' ? argument : zeroLike(argument));
        if (!isNumeric(current)) throw nonNumeric(op, current, context);
        const result = arithmetic(kind, current, argument);
        if (result === undefined) {
          throw badValue(
            `Failed to apply ${op} operations to current value (${describeValue(current)}) for document ` +
              `{${context.idText}}`,
          );
        }
        return set(result);
      };
    },
  };
}

/** `$mul` of a missing field stores zero of the argument's type. */
function zeroLike(argument: BsonNumber): BsonNumber {
  if (argument instanceof Decimal128) return Decimal128.fromString('0');
  return argument instanceof Long ? Long.ZERO : 0;
}

function extreme(keepsArgument: (order: number) => boolean): UpdateOperator {
  return {
    creates: true,
    prepare: (argument) => (current) =>
      current === undefined || keepsArgument(compareValues(argument, current))
        ? set(cloneValue(argument))
        : KEEP,
  };
}

const currentDate: UpdateOperator = {
  creates: true,
  prepare: (argument, path) => {
    const type = currentDateType(argument, path);
    return (_current, { now }) =>
      set(type === 'date' ? new Date(now) : new Timestamp({ t: Math.floor(now.getTime() / 1000), i: 1 }));
  },
};

function currentDateType(argument: unknown, path: string): 'date' | 'timestamp' {
  if (typeof argument === 'boolean') return 'date';
  if (!isDocument(argument)) {
    throw badValue(
      `${typeNameOf(argument)} is not valid type for $currentDate. Please use a boolean ('true') ` +
        "or a $type expression ({$type: 'timestamp/date'}).",
    );
  }
  const unknown = Object.keys(argument).find((key) => key !== '$type');
  if (unknown !== undefined) throw badValue(`Unrecognized $currentDate option: ${unknown}`);
  const type = argument['$type'];
  if (type === 'date' || type === 'timestamp') return type;
  throw badValue(
    `The '$type' string field is required to be 'date' or 'timestamp': ` +
      `{$currentDate: {${path}: {$type: 'date'}}}`,
  );
}

const bit: UpdateOperator = {
  creates: true,
  prepare: (argument, path) => {
    const steps = bitSteps(argument, path);
    return (current, { idText }) => {
      const start = current === undefined ? 0n : integerOf(current);
      if (start === undefined) {
        throw badValue(
          `Cannot apply $bit to a value of non-integral type.{${idText}} has the field ` +
            `${lastPart(path)} of non-integer type ${typeNameOf(current)}`,
        );
      }
      let result: number | Long = bitwise('or', start, 0n);
      for (const { kind, operand } of steps) result = bitwise(kind, integerOf(result) ?? 0n, operand);
      return set(result);
    };
  },
};

const integerOf = (value: unknown): bigint | undefined =>
  isNumeric(value) && !(value instanceof Decimal128) ? exactInteger(value) : undefined;

function bitSteps(argument: unknown, path: string): { kind: 'and' | 'or' | 'xor'; operand: bigint }[] {
  if (!isDocument(argument)) {
    throw badValue(
      `The $bit modifier is not compatible with a ${typeNameOf(argument)}. ` +
        'You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}',
    );
  }
  const keys = Object.keys(argument);
  if (keys.length === 0) {
    throw badValue(
      `You must pass in at least one bitwise operation. The format is: {$bit: {${path}: {and/or/xor: #}}`,
    );
  }
  return keys.map((kind) => {
    if (kind !== 'and' && kind !== 'or' && kind !== 'xor') {
      throw badValue(
        `The $bit modifier only supports 'and', 'or', and 'xor', not '${kind}' which is an unknown operator`,
      );
    }
    const operand = integerOf(argument[kind]);
    if (operand === undefined) {
      throw badValue(
        `The $bit modifier field must be an Integer(32/64 bit); a '${typeNameOf(argument[kind])}' ` +
          'is not supported',
      );
    }
    return { kind, operand };
  });
}

/** The argument of an update operator as fields. @throws CommandError 9 */
export function modifierFields(name: string, value: unknown): Record<string, unknown> {
  if (isDocument(value)) return value;
  throw failedToParse(
    `Modifiers operate on fields but we found type ${typeNameOf(value)} instead. For example: ` +
      `{$mod: {<field>: ...}} not {${name}: ${describeValue(value)}}`,
  );
}

/** Operators on one field. `$rename` is not here: it concerns two paths. */
export const fieldOperators: ReadonlyMap<string, UpdateOperator> = new Map([
  ['$set', setValue],
  ['$setOnInsert', setValue],
  ['$unset', unset],
  ['$inc', calculate('$inc', 'add', 'increment')],
  ['$mul', calculate('$mul', 'multiply', 'multiply')],
  ['$min', extreme((order) => order < 0)],
  ['$max', extreme((order) => order > 0)],
  ['$currentDate', currentDate],
  ['$bit', bit],
]);
