import type { BsonNumber } from './bson-numbers.js';
import { compareValues } from './bson-order.js';
import { isDocument, rankOf, typeNameOf, TypeRank, type Document } from './bson-types.js';
import { serverError } from './errors.js';

/** Values that expressions read as `$$name`. */
export type Variables = Readonly<Record<string, unknown>>;
/** What an expression sees: the document and the variables in force. */
export type Scope = { readonly root: unknown; readonly variables: Variables };
/** A compiled expression; `undefined` is a missing value. */
export type Evaluate = (scope: Scope) => unknown;
/** What an operator may use while it is compiled. `bound` names variables that it will bind itself. */
export type OperatorContext = {
  readonly name: string;
  readonly compile: (expression: unknown, bound?: readonly string[]) => Evaluate;
};
/** Compiles one operator from its raw argument. */
export type Operator = (argument: unknown, context: OperatorContext) => Evaluate;

/** Null or missing, which most operators turn into null. */
export const isNullish = (value: unknown): value is null | undefined => value === null || value === undefined;

/** True for any BSON number. */
export const isNumber = (value: unknown): value is BsonNumber =>
  value !== undefined && rankOf(value) === TypeRank.number;

/** The order of expressions: as everywhere, except that a missing value is below null and not equal to it. */
export function compareInExpression(a: unknown, b: unknown): number {
  if (a !== undefined && b !== undefined) return compareValues(a, b);
  if (a === b) return 0;
  const other = a === undefined ? b : a;
  const missingIsLess = rankOf(other) === TypeRank.minKey ? 1 : -1;
  return a === undefined ? missingIsLess : -missingIsLess;
}

/** Compiles an operator with positional arguments; a single argument may stand without brackets. */
export function positional(
  min: number,
  max: number,
  apply: (values: readonly unknown[], name: string) => unknown,
): Operator {
  return (argument, context) => {
    const list: unknown[] = Array.isArray(argument) ? argument : [argument];
    if (list.length < min || list.length > max) {
      const wanted = min === max ? `exactly ${min}` : `at least ${min} arguments, and at most ${max}`;
      throw serverError(
        min === max ? 16020 : 28667,
        `Expression ${context.name} takes ${wanted} arguments. ${list.length} were passed in.`,
      );
    }
    const compiled = list.map((item) => context.compile(item));
    return (scope) =>
      apply(
        compiled.map((item) => item(scope)),
        context.name,
      );
  };
}

/** A single-argument operator that answers null for null and missing. */
export function unary(apply: (value: unknown, name: string) => unknown): Operator {
  return positional(1, 1, ([value], name) => (isNullish(value) ? null : apply(value, name)));
}

/** Compiles an operator that takes named arguments. @throws CommandError for unknown or absent names */
export function named(
  required: readonly string[],
  optional: readonly string[],
  build: (argument: Document, context: OperatorContext) => Evaluate,
): Operator {
  return (argument, context) => {
    if (!isDocument(argument))
      throw serverError(9, `${context.name} only supports an object as its argument`);
    for (const key of Object.keys(argument)) {
      if (!required.includes(key) && !optional.includes(key)) {
        throw serverError(9, `Unrecognized argument to ${context.name}: ${key}`);
      }
    }
    const absent = required.find((key) => !Object.hasOwn(argument, key));
    if (absent !== undefined) throw serverError(9, `Missing '${absent}' parameter to ${context.name}`);
    return build(argument, context);
  };
}

/** The same scope with more variables. */
export const withVariables = (scope: Scope, variables: Variables): Scope => ({
  root: scope.root,
  variables: { ...scope.variables, ...variables },
});

/** The error of an operator given a value of the wrong type. */
export const wrongType = (code: number, name: string, wanted: string, value: unknown): Error =>
  serverError(code, `${name} only supports ${wanted}, not ${typeNameOf(value)}`);
