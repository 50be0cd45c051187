import { serverError } from './errors.js';
import { isDocument, type Document } from './bson-types.js';
import {
  compareInExpression,
  isNullish,
  named,
  positional,
  withVariables,
  type Evaluate,
  type Operator,
  type OperatorContext,
} from './aggregate-values.js';
import { isNumber } from './aggregate-values.js';
import { compareNumbers } from './bson-numbers.js';

/** Truth in expressions: false, null, missing and zero are false; everything else, NaN included, is true. */
export const isTrue = (value: unknown): boolean =>
  !(isNullish(value) || value === false || (isNumber(value) && compareNumbers(value, 0) === 0));

const comparison = (accept: (order: number) => unknown): Operator =>
  positional(2, 2, ([a, b]) => accept(compareInExpression(a, b)));

const listOf = (argument: unknown): unknown[] => (Array.isArray(argument) ? argument : [argument]);

const every: Operator = (argument, { compile }) => {
  const items = listOf(argument).map((item) => compile(item));
  return (scope) => items.every((item) => isTrue(item(scope)));
};

const some: Operator = (argument, { compile }) => {
  const items = listOf(argument).map((item) => compile(item));
  return (scope) => items.some((item) => isTrue(item(scope)));
};

const condition: Operator = (argument, context) => {
  const parts = Array.isArray(argument) ? argument : condParts(argument);
  if (parts.length !== 3) {
    throw serverError(16020, `Expression $cond takes exactly 3 arguments. ${parts.length} were passed in.`);
  }
  const [test, yes, no] = parts.map((part) => context.compile(part)) as [Evaluate, Evaluate, Evaluate];
  return (scope) => (isTrue(test(scope)) ? yes(scope) : no(scope));
};

function condParts(argument: unknown): unknown[] {
  if (!isDocument(argument)) throw serverError(16020, 'Expression $cond takes exactly 3 arguments.');
  const unknown = Object.keys(argument).find((key) => !['if', 'then', 'else'].includes(key));
  if (unknown !== undefined) throw serverError(17083, `Unrecognized parameter to $cond: ${unknown}`);
  return ['if', 'then', 'else'].map((key, i) => {
    if (!Object.hasOwn(argument, key)) throw serverError(17080 + i, `Missing '${key}' parameter to $cond`);
    return argument[key];
  });
}

const ifNull: Operator = (argument, { compile }) => {
  const items = listOf(argument).map((item) => compile(item));
  if (items.length < 2) throw serverError(1257300, '$ifNull needs at least two arguments');
  return (scope) => {
    let value: unknown;
    for (const item of items) {
      value = item(scope);
      if (!isNullish(value)) return value;
    }
    return value;
  };
};

function switchCases(argument: Document, { compile }: OperatorContext): Evaluate {
  const branches = argument['branches'];
  if (!Array.isArray(branches)) throw serverError(40061, "$switch expected an array for 'branches'");
  if (branches.length === 0) throw serverError(40068, '$switch requires at least one branch.');
  const cases = branches.map((branch: unknown) => {
    if (!isDocument(branch)) throw serverError(40062, '$switch expected each branch to be an object');
    if (!Object.hasOwn(branch, 'case'))
      throw serverError(40064, "$switch requires each branch have a 'case' expression");
    if (!Object.hasOwn(branch, 'then'))
      throw serverError(40065, "$switch requires each branch have a 'then' expression.");
    return { test: compile(branch['case']), result: compile(branch['then']) };
  });
  const fallback = Object.hasOwn(argument, 'default') ? compile(argument['default']) : undefined;
  return (scope) => {
    const taken = cases.find(({ test }) => isTrue(test(scope)))?.result ?? fallback;
    if (!taken) {
      throw serverError(
        40066,
        '$switch could not find a matching branch for an input, and no default was specified.',
      );
    }
    return taken(scope);
  };
}

function letVariables(argument: Document, { compile }: OperatorContext): Evaluate {
  const vars = argument['vars'];
  if (!isDocument(vars)) throw serverError(16876, 'invalid parameter: expected an object (vars)');
  const names = Object.keys(vars);
  const values = names.map((name) => compile(vars[name]));
  const inner = compile(argument['in'], names);
  return (scope) => {
    const bound = Object.fromEntries(names.map((name, i) => [name, values[i]!(scope)]));
    return inner(withVariables(scope, bound));
  };
}

const literal: Operator = (argument) => () => argument;

/** Comparison, boolean, conditional and binding operators. */
export const logicOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$eq', comparison((order) => order === 0)],
  ['$ne', comparison((order) => order !== 0)],
  ['$gt', comparison((order) => order > 0)],
  ['$gte', comparison((order) => order >= 0)],
  ['$lt', comparison((order) => order < 0)],
  ['$lte', comparison((order) => order <= 0)],
  ['$cmp', comparison((order) => order)],
  ['$and', every],
  ['$or', some],
  ['$not', positional(1, 1, ([value]) => !isTrue(value))],
  ['$cond', condition],
  ['$ifNull', ifNull],
  ['$switch', named(['branches'], ['default'], switchCases)],
  ['$let', named(['vars', 'in'], [], letVariables)],
  ['$literal', literal],
  ['$const', literal],
]);
