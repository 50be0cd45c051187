import { COMPARE_OPERATORS, type CompareOperator } from './rule.js';

/** How the values of a property are written, checked and compared. `any` is a field whose type is not at hand. */
export type PropertyType =
  | 'text'
  | 'number'
  | 'date'
  | 'datetime'
  | 'boolean'
  | 'choice'
  | 'phone'
  | 'email'
  | 'country'
  | 'group'
  | 'any';

export interface Property {
  key: string;
  type: PropertyType;
  /** The values there are, for a choice. */
  choices?: readonly string[];
}

/** Where the value of a property stands in a member, for both interpreters. */
export type Place =
  | { kind: 'text'; path: readonly [string, string] }
  | { kind: 'texts' }
  | { kind: 'digits' }
  | {
      kind: 'label';
      name: 'status' | 'createdAt' | 'updatedAt' | 'optedInAt' | 'optedOutAt' | 'lastInboundAt';
    }
  | { kind: 'labels'; list: 'phones' | 'emails'; name: 'status' | 'country' | 'type' }
  | { kind: 'groups' }
  | { kind: 'field'; key: string };

/** The id of the built-in group of every contact. */
export const ALL_CONTACTS = 'all';

const STATUSES = ['active', 'opted_out', 'blocked', 'no_consent', 'unreachable'];
const PHONE_TYPES = [
  'mobile',
  'fixed_line',
  'fixed_line_or_mobile',
  'toll_free',
  'premium_rate',
  'shared_cost',
  'voip',
  'personal_number',
  'pager',
  'uan',
  'voicemail',
];

const text = (name: string): [PropertyType, Place] => ['text', { kind: 'text', path: ['folded', name] }];
const instant = (name: (Place & { kind: 'label' })['name']): [PropertyType, Place] => [
  'datetime',
  { kind: 'label', name },
];

const BUILT_IN: Readonly<Record<string, readonly [PropertyType, Place, (readonly string[])?]>> = {
  firstName: text('firstName'),
  lastName: text('lastName'),
  name: text('name'),
  externalId: text('externalId'),
  source: text('source'),
  import: text('import'),
  keyword: text('keyword'),
  phone: ['phone', { kind: 'digits' }],
  email: ['email', { kind: 'texts' }],
  createdAt: instant('createdAt'),
  updatedAt: instant('updatedAt'),
  optedInAt: instant('optedInAt'),
  optedOutAt: instant('optedOutAt'),
  lastInboundAt: instant('lastInboundAt'),
  status: ['choice', { kind: 'label', name: 'status' }, STATUSES],
  'phone.status': ['choice', { kind: 'labels', list: 'phones', name: 'status' }, STATUSES],
  'email.status': ['choice', { kind: 'labels', list: 'emails', name: 'status' }, STATUSES],
  'phone.country': ['country', { kind: 'labels', list: 'phones', name: 'country' }],
  'phone.type': ['choice', { kind: 'labels', list: 'phones', name: 'type' }, PHONE_TYPES],
  group: ['group', { kind: 'groups' }],
};

/** The properties that every member has, whatever its account's fields. A field never hides one of them. */
export const BUILT_IN_PROPERTIES: readonly Property[] = Object.entries(BUILT_IN).map(
  ([key, [type, , choices]]) => ({
    key,
    type,
    ...(choices ? { choices } : {}),
  }),
);

/** Where a property stands; every name that is not built in is a field. */
export function placeOf(property: string): Place {
  const builtIn = Object.hasOwn(BUILT_IN, property) ? BUILT_IN[property] : undefined;
  return builtIn ? builtIn[1] : { kind: 'field', key: property };
}

const ORDERED: readonly CompareOperator[] = ['=', '!=', '<', '<=', '>', '>='];
const MATCHED: readonly CompareOperator[] = ['=', '!=', '~', '^='];
const EQUAL: readonly CompareOperator[] = ['=', '!='];

/** The comparisons that make sense for a type; `in` and `has` always do. */
export function operatorsOf(type: PropertyType): readonly CompareOperator[] {
  switch (type) {
    case 'text':
    case 'any':
      return COMPARE_OPERATORS;
    case 'number':
    case 'date':
    case 'datetime':
      return ORDERED;
    case 'phone':
    case 'email':
      return MATCHED;
    case 'boolean':
    case 'choice':
    case 'country':
    case 'group':
      return EQUAL;
  }
}
