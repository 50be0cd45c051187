import { Position } from '@muster/contracts/envelope';
import { addField, Field, listFields, NewField } from '@muster/contracts/field';
import { z } from 'zod';
import { AtLeastQuery } from './query.schemas.js';
import { ok, route, type Route } from './route.js';

const tag = 'Fields';

export const fieldRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/fields',
    tag,
    summary: 'The default and custom fields of the account.',
    permission: 'fields.read',
    query: AtLeastQuery,
    answers: { 200: z.object({ items: z.array(Field), position: Position }) },
    handle: async (call) => ok(await call.ask(listFields, call.query)),
  }),
  route({
    method: 'POST',
    path: '/v1/fields',
    tag,
    summary: 'Adds a custom field (201). The same definition again changes nothing (200).',
    permission: 'fields.change',
    body: z.strictObject(NewField.shape),
    answers: {
      200: Field.extend({ position: Position }),
      201: Field.extend({ position: Position }),
    },
    async handle(call) {
      const { field, created, position } = await call.ask(addField, call.body);
      return { status: created ? 201 : 200, body: { ...field, position } };
    },
  }),
];
