import { Position } from '@muster/contracts/envelope';
import { addEndpoint, Endpoint, listEndpoints, removeEndpoint } from '@muster/contracts/inbound';
import { z } from 'zod';
import { AtLeastQuery, ById, Done, listOf } from './query.schemas.js';
import { created, ok, route, type Call, type Route } from './route.js';

const tag = 'Inbound';

export const EndpointView = Endpoint.omit({ webhookPath: true }).extend({
  webhookUrl: z.string().describe('Enter this at the carrier'),
});
type EndpointView = z.infer<typeof EndpointView>;

/** The address that carriers call: below the account's public URL, else the gateway's own address. */
async function view(call: Call, endpoint: z.infer<typeof Endpoint>): Promise<EndpointView> {
  const { publicUrl } = await call.edge.accounts.get(call.envelope.account);
  const { webhookPath, ...rest } = endpoint;
  const base = publicUrl ?? call.edge.publicUrl ?? call.http.origin;
  return { ...rest, webhookUrl: `${base.replace(/\/+$/, '')}${webhookPath}` };
}

export const endpointRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/endpoints',
    tag,
    summary: 'Connected carriers; never their credentials.',
    permission: 'inbound.read',
    query: AtLeastQuery,
    answers: { 200: listOf(EndpointView) },
    async handle(call) {
      const { items } = await call.ask(listEndpoints, {});
      return ok({ items: await Promise.all(items.map((endpoint) => view(call, endpoint))) });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/endpoints',
    tag,
    summary: 'Connects a carrier: its credentials and the numbers it receives for.',
    permission: 'endpoints.change',
    body: z.strictObject(addEndpoint.input.shape),
    answers: { 201: EndpointView.extend({ position: Position }) },
    async handle(call) {
      const { endpoint, position } = await call.ask(addEndpoint, call.body);
      return created({ ...(await view(call, endpoint)), position });
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/endpoints/{id}',
    tag,
    summary: 'Disconnects a carrier.',
    permission: 'endpoints.change',
    params: ById,
    missing: 'endpoint:not_found',
    answers: { 200: Done },
    handle: async (call) => ok(await call.ask(removeEndpoint, { id: call.params.id })),
  }),
];
