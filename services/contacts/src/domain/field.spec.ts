import type { FieldEvent, Field, FieldValue } from '@muster/contracts/field';
import { Refusal } from '@muster/contracts/errors';
import { scenario } from '@muster/testing/given';
import { describe, expect, it } from 'vitest';
import { addField, evolve, fieldValue, NO_FIELDS, type FieldsState } from './field.js';

const { given } = scenario<FieldsState, FieldEvent>({ initial: NO_FIELDS, evolve });
const plan = {
  key: 'plan',
  name: 'Plan',
  type: 'choice' as const,
  choices: ['free', 'Gold'],
  required: false,
};
const added: FieldEvent = { type: 'FieldAdded', data: plan };
const add =
  (field: Omit<Field, 'default'>, max = 100) =>
  (state: FieldsState) =>
    addField(state, field, max);

describe('adding a field', () => {
  it('adds it', () => given([]).when(add(plan)).emits([added]));
  it('changes nothing for the same definition', () => given([added]).when(add(plan)).changesNothing());
  it('refuses another definition under the same key', () => {
    given([added])
      .when(add({ ...plan, name: 'Other' }))
      .refuses('field:exists', { path: 'key' });
  });
  it('refuses keys of default fields and properties', () => {
    given([])
      .when(add({ ...plan, key: 'status' }))
      .refuses('field:reserved', { path: 'key' });
    given([])
      .when(add({ ...plan, key: 'phone' }))
      .refuses('field:reserved', { path: 'key' });
  });
  it('refuses choices without a choice field, and the other way round', () => {
    given([])
      .when(add({ ...plan, type: 'text' }))
      .refuses('field:invalid_value', { path: 'choices' });
    given([])
      .when(add({ ...plan, choices: undefined }))
      .refuses('field:invalid_value', { path: 'choices' });
  });
  it('refuses more than the policy allows', () => {
    given([added])
      .when(add({ ...plan, key: 'plan2' }, 1))
      .refuses('field:too_many', { max: 1 });
  });
});

describe('reading a value', () => {
  const field = (type: Field['type']): Field => ({
    key: 'f',
    name: 'F',
    type,
    required: false,
    default: false,
    ...(type === 'choice' ? { choices: ['free', 'Gold'] } : {}),
  });
  const good: [Field['type'], FieldValue | null, FieldValue | null][] = [
    ['text', '  x ', 'x'],
    ['text', 5, '5'],
    ['text', '   ', null],
    ['text', null, null],
    ['number', '1 234.5', 1234.5],
    ['number', '-3', -3],
    ['number', 0, 0],
    ['boolean', 'Yes', true],
    ['boolean', '0', false],
    ['boolean', false, false],
    ['choice', 'gold', 'Gold'],
    ['date', '2024-02-29', '2024-02-29'],
    ['datetime', '2024-02-29T10:00:00+02:00', '2024-02-29T08:00:00.000Z'],
  ];
  it.each(good)('%s %j is %j', (type, given, expected) => {
    expect(fieldValue(field(type), given)).toBe(expected);
  });
  const bad: [Field['type'], FieldValue][] = [
    ['number', '1,5'],
    ['number', 'ten'],
    ['number', true],
    ['number', '1e5'],
    ['boolean', 'maybe'],
    ['choice', 'silver'],
    ['date', '2023-02-29'],
    ['date', '29/02/2024'],
    ['datetime', '2024-02-29 10:00'],
  ];
  it.each(bad)('%s %j is refused without showing the value', (type, given) => {
    const attempt = (): unknown => fieldValue(field(type), given);
    expect(attempt).toThrow(new Refusal('field:invalid_value', { path: 'fields.f', expected: type }));
  });
});
