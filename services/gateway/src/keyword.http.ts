import { Position } from '@muster/contracts/envelope';
import { addKeyword, changeKeyword, Keyword, listKeywords, removeKeyword } from '@muster/contracts/inbound';
import { z } from 'zod';
import { AtLeastQuery, ById, Done, listOf } from './query.schemas.js';
import { created, ok, route, type Route } from './route.js';

const tag = 'Inbound';
const missing = 'keyword:not_found';
const Written = Keyword.extend({ position: Position });

export const keywordRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/keywords',
    tag,
    summary: 'Keywords of the account.',
    permission: 'inbound.read',
    query: AtLeastQuery,
    answers: { 200: listOf(Keyword) },
    handle: async (call) => ok(await call.ask(listKeywords, {})),
  }),
  route({
    method: 'POST',
    path: '/v1/keywords',
    tag,
    summary: 'A word that adds whoever texts it to groups.',
    permission: 'keywords.write',
    body: z.strictObject(addKeyword.input.shape),
    answers: { 201: Written },
    async handle(call) {
      const { keyword, position } = await call.ask(addKeyword, call.body);
      return created({ ...keyword, position });
    },
  }),
  route({
    method: 'PATCH',
    path: '/v1/keywords/{id}',
    tag,
    summary: 'Changes groups or response of a keyword, or switches it off and on.',
    permission: 'keywords.write',
    params: ById,
    body: z.strictObject(changeKeyword.input.omit({ id: true }).shape),
    missing,
    answers: { 200: Written },
    async handle(call) {
      const { keyword, position } = await call.ask(changeKeyword, { id: call.params.id, ...call.body });
      return ok({ ...keyword, position });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/keywords/{id}',
    tag,
    summary: 'Removes a keyword; who joined by it stays.',
    permission: 'keywords.write',
    params: ById,
    missing,
    answers: { 200: Done },
    handle: async (call) => ok(await call.ask(removeKeyword, { id: call.params.id })),
  }),
];
