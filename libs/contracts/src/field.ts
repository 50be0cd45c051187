import { z } from 'zod';
import { AtLeast, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { command, query } from './subject.js';

export const FieldType = z.enum(['text', 'number', 'date', 'datetime', 'boolean', 'choice']);
export type FieldType = z.infer<typeof FieldType>;

export const FieldKey = z
  .string()
  .regex(/^[a-z][a-zA-Z0-9_]{0,39}$/)
  .describe('Starts with a small letter; letters, digits and _; at most 40');

/** A value of a custom field. Dates are `YYYY-MM-DD`, datetimes ISO 8601 in UTC with milliseconds. */
export const FieldValue = z.union([z.string().max(1000), z.number(), z.boolean()]);
export type FieldValue = z.infer<typeof FieldValue>;

export const Field = z.object({
  key: FieldKey,
  name: z.string().min(1).max(80),
  type: FieldType,
  choices: z.array(z.string().min(1).max(80)).min(1).max(100).optional(),
  required: z.boolean(),
  default: z.boolean(),
});
export type Field = z.infer<typeof Field>;

/** Fields that every account has. Phones, e-mails and names are kept as properties of the contact itself. */
export const DEFAULT_FIELDS: readonly Field[] = [
  { key: 'firstName', name: 'First name', type: 'text', required: false, default: true },
  { key: 'lastName', name: 'Last name', type: 'text', required: false, default: true },
  { key: 'phone', name: 'Phone', type: 'text', required: false, default: true },
  { key: 'email', name: 'E-mail', type: 'text', required: false, default: true },
  { key: 'externalId', name: 'External id', type: 'text', required: false, default: true },
];

/** Keys that a custom field may not take: default fields and the properties that rules know. */
export const RESERVED_KEYS: readonly string[] = [
  ...DEFAULT_FIELDS.map((field) => field.key),
  'name',
  'group',
  'groups',
  'status',
  'createdAt',
  'updatedAt',
  'optedInAt',
  'optedOutAt',
  'lastInboundAt',
  'source',
  'import',
  'keyword',
  'and',
  'or',
  'not',
  'in',
  'has',
  'is',
  'true',
];

export const FieldAdded = defineEvent(
  'fields',
  'FieldAdded',
  z.object({
    key: FieldKey,
    name: z.string(),
    type: FieldType,
    choices: z.array(z.string()).optional(),
    required: z.boolean(),
  }),
  { example: { key: 'plan', name: 'Plan', type: 'choice', choices: ['free', 'gold'], required: false } },
);
export const FIELD_EVENTS = [FieldAdded] as const;
export type FieldEvent = EventOf<(typeof FIELD_EVENTS)[number]>;

export const NewField = Field.omit({ default: true }).extend({ required: z.boolean().default(false) });

export const addField = command(
  'contacts',
  'add-field',
  'Adds a custom field. The same definition again changes nothing.',
  NewField,
  z.object({ field: Field, created: z.boolean(), ...Written }),
);
export const listFields = query(
  'contacts',
  'list-fields',
  'The default and custom fields of an account.',
  z.object({ ...AtLeast }),
  z.object({ items: z.array(Field), position: Position }),
);
