import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { compareStrings } from './bson-order.js';
import { isRegex, typeNameOf, type Document } from './bson-types.js';
import { serverError } from './errors.js';
import { compileRegex } from './regex.js';
import {
  isNullish,
  isNumber,
  named,
  positional,
  type Operator,
  type OperatorContext,
} from './aggregate-values.js';
import type { Evaluate } from './aggregate-values.js';

function requireText(value: unknown, name: string, code: number): string {
  if (typeof value === 'string') return value;
  throw serverError(code, `${name} requires a string argument, found: ${typeNameOf(value)}`);
}

function requireInteger(value: unknown, name: string, code: number): number {
  const integer = isNumber(value) ? exactInteger(value as BsonNumber) : undefined;
  if (integer === undefined)
    throw serverError(code, `${name} requires an integral argument, found: ${typeNameOf(value)}`);
  return Number(integer);
}

const concat = positional(0, Infinity, (values, name) => {
  if (values.some(isNullish)) return null;
  return values.map((value) => requireText(value, name, 16702)).join('');
});

/** Only ASCII letters change case, as the manual says of these operators. */
const changeCase = (pattern: RegExp, change: (letters: string) => string): Operator =>
  positional(1, 1, ([value], name) =>
    isNullish(value) ? '' : requireText(value, name, 16007).replace(pattern, change),
  );

const substringCodePoints = positional(3, 3, ([text, start, length], name) => {
  if (isNullish(text)) return '';
  const points = [...requireText(text, name, 34450)];
  const from = requireInteger(start, name, 34451);
  const count = requireInteger(length, name, 34453);
  if (from < 0) throw serverError(34455, `${name}: the starting index must be non-negative integer.`);
  if (count < 0) throw serverError(34454, `${name}: length must be a nonnegative integer.`);
  return points.slice(from, from + count).join('');
});

const lengthBy = (measure: (text: string) => number): Operator =>
  positional(1, 1, ([value], name) => measure(requireText(value, name, 34471)));

const split = positional(2, 2, ([text, separator], name) => {
  if (isNullish(text) || isNullish(separator)) return null;
  const by = requireText(separator, name, 40086);
  if (by === '') throw serverError(40087, '$split requires a non-empty separator');
  return requireText(text, name, 40085).split(by);
});

const caseCompare = positional(2, 2, (values, name) => {
  const [a = '', b = ''] = values.map((value) => (isNullish(value) ? '' : requireText(value, name, 16007)));
  const fold = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  return compareStrings(fold(a), fold(b));
});

const indexOfCodePoint = positional(2, 4, ([text, part, start = 0, end], name) => {
  if (isNullish(text)) return null;
  const points = [...requireText(text, name, 40093)];
  const wanted = [...requireText(part, name, 40094)];
  const from = requireInteger(start, name, 40096);
  const to = end === undefined ? points.length : Math.min(requireInteger(end, name, 40096), points.length);
  if (from < 0 || to < 0) throw serverError(40097, `${name} requires a nonnegative index`);
  for (let i = from; i + wanted.length <= to; i += 1) {
    if (wanted.every((point, k) => points[i + k] === point)) return i;
  }
  return -1;
});

/**
 * Without `chars` white space is removed: the ASCII and Unicode spaces the manual lists, and the null
 * character.
 */
const WHITE_SPACE =
  '\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a';

function trim(left: boolean, right: boolean): Operator {
  return named(['input'], ['chars'], (argument, { name, compile }) => {
    const input = compile(argument['input']);
    const chars = Object.hasOwn(argument, 'chars') ? compile(argument['chars']) : () => WHITE_SPACE;
    return (scope) => {
      const text = input(scope);
      const cut = chars(scope);
      if (isNullish(text) || isNullish(cut)) return null;
      const points = [...requireText(text, name, 50699)];
      const set = new Set(requireText(cut, name, 50700));
      const start = left ? points.findIndex((point) => !set.has(point)) : 0;
      if (start < 0) return '';
      const end = right ? points.findLastIndex((point) => !set.has(point)) + 1 : points.length;
      return points.slice(start, end).join('');
    };
  });
}

const regexMatch = named(['input', 'regex'], ['options'], (argument, { compile }) => {
  const input = compile(argument['input']);
  const regex = compile(argument['regex']);
  const options = Object.hasOwn(argument, 'options') ? compile(argument['options']) : () => undefined;
  return (scope) => {
    const text = input(scope);
    const pattern = regex(scope);
    const flags = options(scope);
    if (isNullish(text) || isNullish(pattern)) return false;
    if (typeof pattern !== 'string' && !isRegex(pattern))
      throw serverError(51105, "$regexMatch needs 'regex' to be of type string or regex");
    if (!isNullish(flags) && typeof flags !== 'string')
      throw serverError(51106, "$regexMatch needs 'options' to be of type string");
    return compileRegex(pattern, flags ?? undefined).test(requireText(text, '$regexMatch', 51104));
  };
});

function replace(argument: Document, { name, compile }: OperatorContext): Evaluate {
  const parts = ['input', 'find', 'replacement'].map((key) => compile(argument[key]));
  return (scope) => {
    const values = parts.map((part) => part(scope));
    if (values.some(isNullish)) return null;
    const [input = '', find = '', by = ''] = values.map((value) => requireText(value, name, 51746));
    return name === '$replaceAll' ? input.split(find).join(by) : input.replace(find, () => by);
  };
}

/** String operators. Those that count bytes or find regex captures are not offered. */
export const textOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['$concat', concat],
  ['$toLower', changeCase(/[A-Z]+/g, (letters) => letters.toLowerCase())],
  ['$toUpper', changeCase(/[a-z]+/g, (letters) => letters.toUpperCase())],
  ['$substrCP', substringCodePoints],
  ['$strLenCP', lengthBy((text) => [...text].length)],
  ['$strLenBytes', lengthBy((text) => Buffer.byteLength(text))],
  ['$split', split],
  ['$strcasecmp', caseCompare],
  ['$indexOfCP', indexOfCodePoint],
  ['$trim', trim(true, true)],
  ['$ltrim', trim(true, false)],
  ['$rtrim', trim(false, true)],
  ['$regexMatch', regexMatch],
  ['$replaceOne', named(['input', 'find', 'replacement'], [], replace)],
  ['$replaceAll', named(['input', 'find', 'replacement'], [], replace)],
]);
