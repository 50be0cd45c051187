import { typedDigits } from '@muster/phone/digits';
import { comparedText, searchedDigits } from './evaluate.js';
import { fold } from './fold.js';
import { ALL_CONTACTS, type Place, placeOf } from './properties.js';
import type { Compare, In, Rule, RuleValue } from './rule.js';

/**
 * A filter of MongoDB over documents of the shape RuleMember. Uses only $and, $or, $nor, $eq, $ne, $in, $gt, $gte, $lt, $lte,
 * $exists, $regex, $elemMatch and $type.
 */
export type MongoFilter = { [path: string]: unknown };

const ORDER = { '<': '$lt', '<=': '$lte', '>': '$gt', '>=': '$gte' } as const;
const NOTHING: MongoFilter = { $nor: [{}] };
const EVERYTHING: MongoFilter = {};

/** Every special character of a regular expression as itself, in PCRE and in JavaScript alike. */
function literally(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}

const containing = (text: string): MongoFilter => ({ $regex: literally(text) });
const startingWith = (text: string): MongoFilter => ({ $regex: `^${literally(text)}` });

function either(filters: MongoFilter[]): MongoFilter {
  const [only] = filters;
  if (!only) return NOTHING;
  return filters.length === 1 ? only : { $or: filters };
}

/** The path at which the texts of a place stand, in the form in which they are compared. */
function textPath(place: Place): string {
  switch (place.kind) {
    case 'text':
      return place.path.join('.');
    case 'texts':
      return 'folded.emails';
    case 'digits':
      return 'phones.value';
    case 'label':
      return place.name;
    case 'labels':
      return `${place.list}.${place.name}`;
    case 'groups':
      return 'groups';
    case 'field':
      return `folded.fields.${place.key}`;
  }
}

/** The empty text is a missing one, and sorts before every other. */
function textFilter(place: Place, operator: Compare['operator'], value: string): MongoFilter {
  const path = textPath(place);
  const wanted = comparedText(place, value);
  switch (operator) {
    case '=':
      return place.kind === 'groups' && value === ALL_CONTACTS ? EVERYTHING : { [path]: { $eq: wanted } };
    case '!=':
      return { $nor: [textFilter(place, '=', value)] };
    case '~':
      return { [path]: containing(wanted) };
    case '^=':
      return { [path]: startingWith(wanted) };
    case '<':
    case '<=':
      return { [path]: { $gt: '', [ORDER[operator]]: wanted } };
    case '>':
    case '>=':
      return { [path]: { [ORDER[operator]]: wanted } };
  }
}

function digitsFilter(typed: readonly string[], make: (digits: string) => MongoFilter): MongoFilter {
  return either(typed.map((digits) => ({ 'folded.digits': make(digits) })));
}

function compareFilter({ property, operator, value }: Compare): MongoFilter {
  const place = placeOf(property);
  if (typeof value === 'string') {
    if (place.kind === 'digits' && operator === '~')
      return digitsFilter(typedDigits(value) ?? [], containing);
    if (place.kind === 'digits' && operator === '^=')
      return digitsFilter(typedDigits(value) ?? [], startingWith);
    return textFilter(place, operator, value);
  }
  if (place.kind !== 'field' || operator === '~' || operator === '^=') return NOTHING;
  const path = `fields.${place.key}`;
  if (operator === '=') return { [path]: { $eq: value } };
  return operator === '!=' ? { [path]: { $ne: value } } : { [path]: { [ORDER[operator]]: value } };
}

function inFilter({ property, values }: In): MongoFilter {
  const place = placeOf(property);
  const isText = (value: RuleValue): value is string => typeof value === 'string';
  const texts = values.filter(isText);
  const others = values.filter((value) => !isText(value));
  if (place.kind === 'groups' && texts.includes(ALL_CONTACTS)) return EVERYTHING;
  const filters: MongoFilter[] = [];
  if (texts.length > 0)
    filters.push({ [textPath(place)]: { $in: texts.map((text) => comparedText(place, text)) } });
  if (others.length > 0 && place.kind === 'field') filters.push({ [`fields.${place.key}`]: { $in: others } });
  return either(filters);
}

function hasFilter(property: string): MongoFilter {
  const place = placeOf(property);
  if (place.kind === 'groups') return { groups: { $elemMatch: { $ne: ALL_CONTACTS } } };
  const text = { [textPath(place)]: { $gt: '' } };
  return place.kind === 'field'
    ? { $or: [text, { [`fields.${place.key}`]: { $type: ['number', 'bool'] } }] }
    : text;
}

function searchFilter(text: string): MongoFilter {
  const inText: MongoFilter = { 'folded.text': containing(fold(text)) };
  const typed = searchedDigits(text);
  return typed.length === 0 ? inText : { $or: [inText, digitsFilter(typed, containing)] };
}

/**
 * The filter that finds the members for which evaluate answers true, in a collection whose documents have the members'
 * properties at the top. Prefixes become anchored regular expressions over the folded copies, so that an index serves them.
 */
export function toMongo(rule: Rule): MongoFilter {
  switch (rule.op) {
    case 'true':
      return EVERYTHING;
    case 'not':
      return { $nor: [toMongo(rule.rule)] };
    case 'and':
      return { $and: rule.rules.map(toMongo) };
    case 'or':
      return { $or: rule.rules.map(toMongo) };
    case 'search':
      return searchFilter(rule.text);
    case 'has':
      return hasFilter(rule.property);
    case 'in':
      return inFilter(rule);
    case 'compare':
      return compareFilter(rule);
  }
}
