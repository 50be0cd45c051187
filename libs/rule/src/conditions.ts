import { parseEmail } from '@muster/phone/email';
import { typedDigits } from '@muster/phone/digits';
import { parsePhone } from '@muster/phone/phone';
import { type FieldCatalogue, findGroup } from './catalogue.js';
import { dayBounds, isDate, readInstant } from './dates.js';
import { fold } from './fold.js';
import { operatorsOf, type Property } from './properties.js';
import type { Compare, CompareOperator, Rule, RuleValue } from './rule.js';
import { RuleFault } from './rule-error.js';

/** Values of one `in`. */
export const VALUES_MAX = 1_000;

/** A written number: what the grammar takes without quotes. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

function invalid(expected: string[], message: string): RuleFault {
  return new RuleFault('rule:invalid_value', expected, message);
}

function readNumber(value: RuleValue): number {
  const number = typeof value === 'string' && NUMBER.test(value.trim()) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw invalid(['a number'], 'This property holds numbers.');
  }
  return number === 0 ? 0 : number;
}

function readBoolean(value: RuleValue): boolean {
  if (typeof value === 'boolean') return value;
  const word = String(value).trim().toLowerCase();
  if (word === 'true' || word === 'false') return word === 'true';
  throw invalid(['true', 'false'], 'This property is either true or false.');
}

function readText(value: RuleValue): string {
  const text = String(value);
  if (fold(text) === '')
    throw invalid(['a text'], 'A text must not be empty; write "not has" to find what is missing.');
  return text;
}

function readChoice(value: RuleValue, choices: readonly string[]): string {
  const wanted = fold(String(value));
  const choice = choices.find((each) => each === value) ?? choices.find((each) => fold(each) === wanted);
  if (choice === undefined) throw invalid([...choices], 'This property has a fixed list of values.');
  return choice;
}

function readPhone(value: RuleValue, catalogue: FieldCatalogue): string {
  const parsed = parsePhone(String(value), catalogue.defaultCountry, { shortNational: true });
  if (parsed.ok) return parsed.phone;
  throw invalid(
    ['a phone number with its country, such as +14155552671'],
    `This is no phone number: ${parsed.reason}.`,
  );
}

function readEmail(value: RuleValue): string {
  const parsed = parseEmail(String(value));
  if (parsed.ok) return parsed.email;
  throw invalid(['an e-mail address'], 'This is no e-mail address; write ~ to find a part of one.');
}

function readDate(value: RuleValue): string {
  if (typeof value === 'string' && isDate(value)) return value;
  throw invalid(['a date such as 2026-01-31'], 'This property holds dates.');
}

function readCountry(value: RuleValue): string {
  const code = String(value).trim().toUpperCase();
  if (/^[A-Z]{2}$/.test(code)) return code;
  throw invalid(['a country code of two letters, such as IL'], 'Countries are written as ISO 3166 codes.');
}

/** The one spelling of a value under which its property stores it. Throws RuleFault for a value that does not fit. */
function readValue(property: Property, value: RuleValue, catalogue: FieldCatalogue): RuleValue {
  switch (property.type) {
    case 'text':
      return readText(value);
    case 'number':
      return readNumber(value);
    case 'boolean':
      return readBoolean(value);
    case 'choice':
      return readChoice(value, property.choices ?? []);
    case 'date':
      return readDate(value);
    case 'phone':
      return readPhone(value, catalogue);
    case 'email':
      return readEmail(value);
    case 'country':
      return readCountry(value);
    case 'group':
      return findGroup(catalogue, String(value));
    case 'any':
      return typeof value === 'string'
        ? readText(value)
        : typeof value === 'number'
          ? readNumber(value)
          : value;
    case 'datetime': {
      const instant = readInstant(String(value), catalogue.timeZone ?? 'UTC');
      if (instant !== undefined) return instant;
      throw invalid(
        ['a date such as 2026-01-31', 'a time such as 2026-01-31T09:00Z'],
        'This property holds times.',
      );
    }
  }
}

function readPart(property: Property, value: RuleValue): string {
  const text = readText(value);
  if (property.type === 'phone' && typedDigits(text) === undefined) {
    throw invalid(['digits of a phone number'], 'A part of a phone number has digits only.');
  }
  return text;
}

/** A comparison of a time with a whole day, written as comparisons with the instants at which the day begins and ends. */
function compareWithDay(
  property: string,
  operator: CompareOperator,
  day: { from: string; to: string },
): Rule {
  const at = (of: CompareOperator, value: string): Compare => ({
    op: 'compare',
    property,
    operator: of,
    value,
  });
  const within: Rule = { op: 'and', rules: [at('>=', day.from), at('<', day.to)] };
  switch (operator) {
    case '<':
      return at('<', day.from);
    case '<=':
      return at('<', day.to);
    case '>':
      return at('>=', day.to);
    case '>=':
      return at('>=', day.from);
    default:
      return operator === '!=' ? { op: 'not', rule: within } : within;
  }
}

function dayOf(property: Property, value: RuleValue, catalogue: FieldCatalogue) {
  if (property.type !== 'datetime' || typeof value !== 'string') return undefined;
  return dayBounds(value, catalogue.timeZone ?? 'UTC');
}

/**
 * A comparison in canonical form. A time compared with a date means that whole day in the account's zone and becomes
 * comparisons with instants. Throws RuleFault when operator or value do not fit the property.
 */
export function makeCompare(
  property: Property,
  operator: CompareOperator,
  value: RuleValue,
  catalogue: FieldCatalogue,
): Rule {
  const day = dayOf(property, value, catalogue);
  if (day) return compareWithDay(property.key, operator, day);
  const part = operator === '~' || operator === '^=';
  const read = part ? readPart(property, value) : readValue(property, value, catalogue);
  if (part && typeof value !== 'string') throw invalid(['a text'], 'A part of a text is a text.');
  return { op: 'compare', property: property.key, operator, value: read };
}

/** Refuses an operator that makes no sense for the property. */
export function checkOperator(property: Property, operator: CompareOperator): void {
  const operators = operatorsOf(property.type);
  if (operators.includes(operator)) return;
  const expected = [...operators, 'in'];
  throw new RuleFault('rule:syntax', expected, `${property.key} cannot be compared with ${operator}.`);
}

/** A list of values in canonical form; days of a time become an `or` of comparisons. Throws RuleFault. */
export function makeIn(property: Property, values: readonly RuleValue[], catalogue: FieldCatalogue): Rule {
  if (values.length === 0) throw new RuleFault('rule:syntax', ['a value'], 'The list is empty.');
  if (values.length > VALUES_MAX) {
    throw new RuleFault('rule:too_long', [`at most ${VALUES_MAX} values`], 'The list has too many values.');
  }
  if (!values.some((value) => dayOf(property, value, catalogue))) {
    return {
      op: 'in',
      property: property.key,
      values: values.map((value) => readValue(property, value, catalogue)),
    };
  }
  const rules = values.map((value) => makeCompare(property, '=', value, catalogue));
  return rules.length === 1 && rules[0] ? rules[0] : { op: 'or', rules };
}

/** A search. Throws RuleFault for a text of blanks. */
export function makeSearch(text: string): Rule {
  if (fold(text) === '') throw invalid(['a text'], 'There is nothing to search for.');
  return { op: 'search', text };
}
