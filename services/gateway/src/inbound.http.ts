import type { Envelope } from '@muster/contracts/envelope';
import { Refusal, type ErrorCode } from '@muster/contracts/errors';
import { InboundView, listInbound, receiveWebhook } from '@muster/contracts/inbound';
import { Id } from '@muster/contracts/ids';
import { z } from 'zod';
import { PageQuery, pageOf } from './query.schemas.js';
import { ok, route, type Answer, type Call, type Route } from './route.js';

const tag = 'Inbound';
/** As base64 with its envelope it must fit in one request of 512 KiB. */
export const WEBHOOK_BYTES_MAX = 256 * 1024;

/**
 * Refusals that repeating the same request would not change. The inbound service denies an endpoint only after reading
 * its stream, as when it belongs to another provider.
 */
const FINAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'webhook:signature',
  'webhook:malformed',
  'endpoint:not_found',
  'request:too_large',
]);

const Webhook = z.object({ provider: z.string().min(1).max(40), endpointId: Id });

/**
 * Hands a carrier's request on as it came. Whatever fails on our side is a 503, so that the carrier tries again: a 4xx
 * would make it give up, and a STOP would be lost.
 */
async function receive(call: Call<z.infer<typeof Webhook>>): Promise<Answer> {
  const { provider, endpointId } = call.params;
  const account = await call.edge.endpoints.accountOf(endpointId);
  const envelope: Envelope = {
    ...call.envelope,
    account,
    actor: { kind: 'system', id: 'carrier' },
    source: { kind: 'provider' },
  };
  const { headers, url, bytes } = call.http;
  const base = call.edge.publicUrl ?? call.http.origin;
  const body = bytes.toString('base64');
  const input = { provider, endpointId, method: 'POST', pathAndQuery: url, headers, body, base };
  try {
    const answer = await call.ask(receiveWebhook, input, envelope);
    return { status: answer.status, text: answer.body, headers: { 'content-type': answer.contentType } };
  } catch (error) {
    if (error instanceof Refusal && FINAL.has(error.code)) throw error;
    call.edge.log.error('a webhook was not taken', error, { endpoint: endpointId, account });
    throw new Refusal('service:unavailable');
  }
}

const webhookRoute = route({
  method: 'POST',
  path: '/v1/webhooks/{provider}/{endpointId}',
  tag,
  summary: "A carrier's messages and reports. Its signature stands for an API key.",
  permission: 'public',
  keyless: true,
  params: Webhook,
  bodyKind: 'bytes',
  bodyLimit: WEBHOOK_BYTES_MAX,
  missing: 'endpoint:not_found',
  answers: { 200: { mediaType: 'text/xml', description: 'What the carrier expects, in its own form' } },
  handle: receive,
});

const listRoute = route({
  method: 'GET',
  path: '/v1/inbound',
  tag,
  summary: 'Messages received, newest first.',
  permission: 'inbound.read',
  query: PageQuery,
  answers: { 200: pageOf(InboundView) },
  handle: async (call) =>
    ok(await call.ask(listInbound, { after: call.query.after, limit: call.query.limit })),
});

export const inboundRoutes: readonly Route[] = [webhookRoute, listRoute];
