import { fieldsOf, isDocument, setOwn, type Document } from './bson-types.js';
import { arithmeticOperators } from './aggregate-operators-arithmetic.js';
import { arrayOperators } from './aggregate-operators-arrays.js';
import { dateOperators } from './aggregate-operators-dates.js';
import { logicOperators } from './aggregate-operators-logic.js';
import { textOperators } from './aggregate-operators-text.js';
import { typeOperators } from './aggregate-operators-types.js';
import type { Evaluate, Operator, Scope, Variables } from './aggregate-values.js';
import { badValue, serverError, unknownExpression } from './errors.js';

export type { Evaluate, Variables } from './aggregate-values.js';

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ...logicOperators,
  ...arithmeticOperators,
  ...textOperators,
  ...arrayOperators,
  ...typeOperators,
  ...dateOperators,
]);

/**
 * Compiles an aggregation expression. The result is `undefined` for a missing value, which is not null: it
 * leaves a field out and sorts below null.
 * @param variables `let` variables and `NOW`, read as `$$name`
 * @throws CommandError 168 for unknown operators, 17276 for unknown variables
 */
export function compileExpression(
  expression: unknown,
  variables: Variables = {},
): (document: Document, locals?: Variables) => unknown {
  const names = new Set(Object.keys(variables));
  const evaluate = compile(expression, names);
  const now = new Date();
  return (root, locals) => evaluate({ root, variables: { NOW: now, ...variables, ...locals } });
}

/** Compiles with declared local names, for stages that bind variables per document. */
export function compileWithNames(expression: unknown, names: ReadonlySet<string>): Evaluate {
  return compile(expression, names);
}

function compile(expression: unknown, names: ReadonlySet<string>): Evaluate {
  if (typeof expression === 'string')
    return expression.startsWith('$') ? compilePath(expression, names) : () => expression;
  if (Array.isArray(expression)) {
    const items = expression.map((item) => compile(item, names));
    return (scope) => items.map((item) => item(scope) ?? null);
  }
  if (!isDocument(expression)) return () => expression;
  const keys = Object.keys(expression);
  const operator = keys.find((key) => key.startsWith('$'));
  if (operator === undefined) return compileObject(expression, names);
  if (keys.length !== 1) {
    throw serverError(15983, 'an object representing an expression must have exactly one field');
  }
  const build = OPERATORS.get(operator);
  if (!build) throw unknownExpression(operator);
  return build(expression[operator], {
    name: operator,
    compile: (inner, bound) => compile(inner, bind(names, bound)),
  });
}

const bind = (names: ReadonlySet<string>, bound?: readonly string[]): ReadonlySet<string> =>
  bound ? new Set([...names, ...bound]) : names;

function compileObject(expression: Document, names: ReadonlySet<string>): Evaluate {
  const fields = Object.keys(expression).map((key) => {
    if (key.includes('.')) throw serverError(16412, `FieldPath field names may not contain '.': ${key}`);
    return [key, compile(expression[key], names)] as const;
  });
  return (scope) => {
    const result: Document = {};
    for (const [key, evaluate] of fields) {
      const value = evaluate(scope);
      if (value !== undefined) setOwn(result, key, value);
    }
    return result;
  };
}

function compilePath(text: string, names: ReadonlySet<string>): Evaluate {
  if (!text.startsWith('$$')) {
    const parts = pathParts(text.slice(1));
    return (scope) => readPath(scope.root, parts, 0);
  }
  const [name = '', ...rest] = pathParts(text.slice(2));
  if (name === 'REMOVE') return () => undefined;
  const parts = rest;
  const source = variableReader(name, names);
  return (scope) => readPath(source(scope), parts, 0);
}

function variableReader(name: string, names: ReadonlySet<string>): Evaluate {
  if (name === 'ROOT' || name === 'CURRENT') return (scope) => scope.root;
  if (name !== 'NOW' && !names.has(name)) throw serverError(17276, `Use of undefined variable: ${name}`);
  return (scope: Scope) => (Object.hasOwn(scope.variables, name) ? scope.variables[name] : undefined);
}

function pathParts(path: string): string[] {
  if (path === '') throw serverError(16872, "'$' by itself is not a valid FieldPath");
  const parts = path.split('.');
  if (parts.some((part) => part === ''))
    throw serverError(15998, 'FieldPath field names may not be empty strings.');
  if (parts.some((part) => part.includes('\0')))
    throw badValue('FieldPath field names may not contain null bytes');
  return parts;
}

/** A path through an array gives the array of what its documents hold there; scalars in it are skipped. */
function readPath(value: unknown, parts: readonly string[], from: number): unknown {
  if (from === parts.length) return value;
  if (Array.isArray(value)) {
    const found: unknown[] = [];
    for (const element of value as unknown[]) {
      if (fieldsOf(element) === undefined) continue;
      const inner = readPath(element, parts, from);
      if (inner !== undefined) found.push(inner);
    }
    return found;
  }
  const fields = fieldsOf(value);
  const part = parts[from]!;
  return fields && Object.hasOwn(fields, part) ? readPath(fields[part], parts, from + 1) : undefined;
}
