import { typedDigits } from '@muster/phone/digits';
import { compareByCodePoint, fold } from './fold.js';
import type { RuleMember } from './member.js';
import { ALL_CONTACTS, type Place, placeOf } from './properties.js';
import type { Compare, In, Rule, RuleValue } from './rule.js';

export interface Evaluation {
  matches: boolean;
  /** Instant (ISO 8601, UTC) at which the answer may change though the member does not; null for never. */
  until: string | null;
}

type Test = (member: RuleMember) => boolean;

/** Digits that a search term needs before phones are searched for it. */
export const SEARCH_DIGITS_MIN = 4;

/** The digits for which a search term is looked up in phones, in every reading; none if it is not like a number. */
export function searchedDigits(term: string): string[] {
  const typed = typedDigits(term) ?? [];
  return (typed[0]?.length ?? 0) >= SEARCH_DIGITS_MIN ? typed : [];
}

function ordered(operator: Compare['operator'], order: number): boolean {
  switch (operator) {
    case '=':
      return order === 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    default:
      return false;
  }
}

/** Compares two texts in the same form; the empty text is a missing one. */
function textTest(operator: Compare['operator'], wanted: string): (text: string) => boolean {
  if (operator === '~') return (text) => text.includes(wanted);
  if (operator === '^=') return (text) => text.startsWith(wanted);
  return (text) => text !== '' && ordered(operator, compareByCodePoint(text, wanted));
}

/** All values of a place that are texts, in the form in which they are compared. */
function textsOf(place: Place): (member: RuleMember) => readonly string[] {
  switch (place.kind) {
    case 'text': {
      const name = place.path[1] as 'firstName';
      return (member) => [member.folded[name]];
    }
    case 'texts':
      return (member) => member.folded.emails;
    case 'digits':
      return (member) => member.phones.map((phone) => phone.value);
    case 'label':
      return (member) => [member[place.name] ?? ''];
    case 'labels':
      return place.list === 'emails'
        ? (member) => member.emails.map((email) => email.status)
        : (member) => member.phones.map((phone) => phone[place.name] ?? '');
    case 'groups':
      return (member) => [...member.groups, ALL_CONTACTS];
    case 'field':
      return ({ folded: { fields } }) => (Object.hasOwn(fields, place.key) ? [fields[place.key] ?? ''] : []);
  }
}

/** Folded where the place holds folded texts; labels, phones and ids are compared as they are. */
export function comparedText(place: Place, value: string): string {
  return place.kind === 'text' || place.kind === 'texts' || place.kind === 'field' ? fold(value) : value;
}

function fieldOf(key: string, member: RuleMember): RuleValue | undefined {
  return Object.hasOwn(member.fields, key) ? member.fields[key] : undefined;
}

function compareTest(rule: Compare): Test {
  const { property, operator, value } = rule;
  if (operator === '!=') {
    const equal = compareTest({ ...rule, operator: '=' });
    return (member) => !equal(member);
  }
  const place = placeOf(property);
  if (typeof value === 'string') {
    if (place.kind === 'digits' && (operator === '~' || operator === '^='))
      return digitsTest(value, operator);
    const texts = textsOf(place);
    const test = textTest(operator, comparedText(place, value));
    return (member) => texts(member).some(test);
  }
  if (place.kind !== 'field') return () => false;
  return (member) => {
    const own = fieldOf(place.key, member);
    return typeof own === typeof value && ordered(operator, Number(own) - Number(value));
  };
}

function digitsTest(value: string, operator: '~' | '^='): Test {
  const typed = typedDigits(value) ?? [];
  const tests = typed.map((digits) => textTest(operator, digits));
  return (member) => member.folded.digits.some((digits) => tests.some((test) => test(digits)));
}

function inTest(rule: In): Test {
  const tests = rule.values.map((value) =>
    compareTest({ op: 'compare', property: rule.property, operator: '=', value }),
  );
  return (member) => tests.some((test) => test(member));
}

function hasTest(property: string): Test {
  const place = placeOf(property);
  if (place.kind === 'groups') return (member) => member.groups.some((group) => group !== ALL_CONTACTS);
  const texts = textsOf(place);
  const hasText: Test = (member) => texts(member).some((text) => text !== '');
  if (place.kind !== 'field') return hasText;
  return (member) => hasText(member) || ['number', 'boolean'].includes(typeof fieldOf(place.key, member));
}

function searchTest(text: string): Test {
  const wanted = fold(text);
  const typed = searchedDigits(text);
  return ({ folded }) =>
    folded.text.includes(wanted) ||
    folded.digits.some((digits) => typed.some((each) => digits.includes(each)));
}

function testOf(rule: Rule): Test {
  switch (rule.op) {
    case 'true':
      return () => true;
    case 'not': {
      const test = testOf(rule.rule);
      return (member) => !test(member);
    }
    case 'and': {
      const tests = rule.rules.map(testOf);
      return (member) => tests.every((test) => test(member));
    }
    case 'or': {
      const tests = rule.rules.map(testOf);
      return (member) => tests.some((test) => test(member));
    }
    case 'search':
      return searchTest(rule.text);
    case 'has':
      return hasTest(rule.property);
    case 'in':
      return inTest(rule);
    case 'compare':
      return compareTest(rule);
  }
}

/** Folding the values of a rule costs more than comparing them, and a rule meets many members. */
const tests = new WeakMap<Rule, Test>();

/**
 * Whether a member matches a rule at an instant (`now`, ISO 8601 in UTC), and until when that holds. Rules do not speak of
 * the present yet, so `until` is always null. The rule must not be changed after its first evaluation.
 * What is missing, and properties of several values, are described at Rule. Agrees with toMongo on every member.
 */
export function evaluate(rule: Rule, member: RuleMember, _now: string): Evaluation {
  let test = tests.get(rule);
  if (!test) {
    test = testOf(rule);
    tests.set(rule, test);
  }
  return { matches: test(member), until: null };
}
