import {
  AudienceQuestion,
  countAudience,
  Exclusion,
  freezeAudience,
  getAudience,
  listAudiences,
  Receipt,
  receiptExcluded,
  receiptLines,
  Recipient,
} from '@muster/contracts/audience';
import { Refusal } from '@muster/contracts/errors';
import { ALL_CONTACTS, GroupId } from '@muster/contracts/group';
import { z } from 'zod';
import { ndjson } from './ndjson.js';
import { AtLeastQuery, ById, PageQuery, pageOf } from './query.schemas.js';
import { created, ok, route, type Route } from './route.js';

const tag = 'Audiences';
const missing = 'audience:not_found';
/** Exclusions of one page as it is pulled; bounds what a slow reader keeps in memory. */
const PULL = 1000;

const Question = z.strictObject({
  ...AudienceQuestion.shape,
  include: z.array(GroupId).max(250).default([]).describe('Groups; all contacts when only a query is given'),
});

function question(body: z.infer<typeof Question>): z.infer<typeof AudienceQuestion> {
  if (body.include.length > 0) return body;
  if (body.query === undefined) throw new Refusal('audience:no_groups', { path: 'include' });
  return { ...body, include: [ALL_CONTACTS] };
}

const lines = (schema: z.ZodType): { mediaType: string; description: string } => ({
  mediaType: 'application/x-ndjson',
  description: `One JSON object a line: { ${Object.keys((schema as z.ZodObject).shape).join(', ')} }. A stream that does not end in order is incomplete. What leaves is held against everything said until then; whoever reads on later than that asks the send gate before sending.`,
});

const countRoute = route({
  method: 'POST',
  path: '/v1/audiences/count',
  tag,
  summary: 'How many would receive, and how many would not and why.',
  permission: 'audiences.count',
  keyless: true,
  query: AtLeastQuery,
  body: Question,
  answers: { 200: countAudience.output },
  handle: async (call) => ok(await call.ask(countAudience, { ...question(call.body), ...call.query })),
});

const freezeRoute = route({
  method: 'POST',
  path: '/v1/audiences',
  tag,
  summary: 'Answers a question and keeps the answer as a receipt.',
  permission: 'audiences.freeze',
  query: AtLeastQuery,
  body: Question,
  answers: { 201: Receipt },
  async handle(call) {
    const input = { ...question(call.body), ...call.query };
    return created((await call.ask(freezeAudience, input)).receipt);
  },
});

const listRoute = route({
  method: 'GET',
  path: '/v1/audiences',
  tag,
  summary: 'Receipts, newest first.',
  permission: 'audiences.read',
  query: PageQuery,
  answers: { 200: pageOf(Receipt) },
  handle: async (call) =>
    ok(await call.ask(listAudiences, { after: call.query.after, limit: call.query.limit })),
});

const getRoute = route({
  method: 'GET',
  path: '/v1/audiences/{id}',
  tag,
  summary: 'One receipt.',
  permission: 'audiences.read',
  params: ById,
  missing,
  answers: { 200: Receipt },
  handle: async (call) => ok((await call.ask(getAudience, { id: call.params.id })).receipt),
});

const recipientsRoute = route({
  method: 'GET',
  path: '/v1/audiences/{id}/recipients',
  tag,
  summary: 'Recipients of a receipt as lines of JSON, less those who said stop since.',
  permission: 'audiences.read',
  params: ById,
  missing,
  answers: { 200: lines(Recipient) },
  handle: async (call) => ndjson((after) => call.ask(receiptLines, { id: call.params.id, after })),
});

const excludedRoute = route({
  method: 'GET',
  path: '/v1/audiences/{id}/excluded',
  tag,
  summary: 'Contacts of the groups asked for who are not recipients, with the reason, as lines of JSON.',
  permission: 'audiences.read',
  params: ById,
  missing,
  answers: { 200: lines(Exclusion) },
  handle: async (call) =>
    ndjson((after) => call.ask(receiptExcluded, { id: call.params.id, after, limit: PULL })),
});

export const audienceRoutes: readonly Route[] = [
  countRoute,
  freezeRoute,
  listRoute,
  getRoute,
  recipientsRoute,
  excludedRoute,
];
