import { Refusal } from '@muster/contracts/errors';
import {
  DEFAULT_FIELDS,
  RESERVED_KEYS,
  type Field,
  type FieldEvent,
  type FieldValue,
} from '@muster/contracts/field';

/** Custom fields of an account, by key, in the order in which they were added. */
export interface FieldsState {
  fields: Field[];
}

export const NO_FIELDS: FieldsState = { fields: [] };

export function evolve(state: FieldsState, event: FieldEvent): FieldsState {
  const { key, name, type, choices, required } = event.data;
  return {
    fields: [...state.fields, { key, name, type, required, default: false, ...(choices ? { choices } : {}) }],
  };
}

export function allFields(state: FieldsState): Field[] {
  return [...DEFAULT_FIELDS, ...state.fields];
}

/** @throws Refusal `field:reserved`, `field:exists` (with another definition), `field:too_many`, `field:invalid_value` */
export function addField(state: FieldsState, field: Omit<Field, 'default'>, maxFields: number): FieldEvent[] {
  if (RESERVED_KEYS.includes(field.key)) throw new Refusal('field:reserved', { path: 'key' });
  if ((field.type === 'choice') !== (field.choices !== undefined)) {
    throw new Refusal('field:invalid_value', { path: 'choices' });
  }
  const existing = state.fields.find((one) => one.key === field.key);
  if (existing) {
    if (sameDefinition(existing, field)) return [];
    throw new Refusal('field:exists', { path: 'key' });
  }
  if (state.fields.length >= maxFields) throw new Refusal('field:too_many', { max: maxFields });
  const { key, name, type, choices, required } = field;
  return [{ type: 'FieldAdded', data: { key, name, type, required, ...(choices ? { choices } : {}) } }];
}

function sameDefinition(a: Omit<Field, 'default'>, b: Omit<Field, 'default'>): boolean {
  return (
    a.name === b.name &&
    a.type === b.type &&
    a.required === b.required &&
    JSON.stringify(a.choices ?? []) === JSON.stringify(b.choices ?? [])
  );
}

const TRUE_WORDS = ['true', 'yes', 'y', '1', 'on'];
const FALSE_WORDS = ['false', 'no', 'n', '0', 'off'];

/**
 * A value as the field keeps it, or null for an empty one. Texts of files and forms are read by the field's type:
 * numbers with a point, dates as YYYY-MM-DD, choices without regard to case.
 * @throws Refusal `field:invalid_value` naming the field, never the value
 */
export function fieldValue(field: Field, value: FieldValue | null): FieldValue | null {
  const given = typeof value === 'string' ? value.trim() : value;
  if (given === null || given === '') return null;
  const read = READERS[field.type](given, field);
  if (read === undefined) {
    throw new Refusal('field:invalid_value', { path: `fields.${field.key}`, expected: field.type });
  }
  return read;
}

type Reader = (given: FieldValue, field: Field) => FieldValue | undefined;

const READERS: Record<Field['type'], Reader> = {
  text: (given) => String(given),
  number: (given) => {
    const text = String(given).replace(/[\s_]/g, '');
    return typeof given !== 'boolean' && /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : undefined;
  },
  boolean: (given) => {
    const word = String(given).toLowerCase();
    return TRUE_WORDS.includes(word) ? true : FALSE_WORDS.includes(word) ? false : undefined;
  },
  choice: (given, field) => {
    const folded = String(given).toLowerCase();
    return field.choices?.find((choice) => choice.toLowerCase() === folded);
  },
  date: (given) => {
    const text = String(given);
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
    const instant = new Date(`${text}T00:00:00.000Z`);
    return !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(text) ? text : undefined;
  },
  datetime: (given) => {
    const text = String(given);
    if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/.test(text))
      return undefined;
    const instant = new Date(text);
    return Number.isNaN(instant.getTime()) ? undefined : instant.toISOString();
  },
};
