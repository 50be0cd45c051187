import { z } from 'zod';
import { Instant, Position, Written } from './envelope.js';
import { defineEvent, type EventOf } from './event.js';
import { DetailKey, Id } from './ids.js';
import { command, query } from './subject.js';

export const Provider = z.enum(['twilio']);
export type Provider = z.infer<typeof Provider>;

/** How sure the edge is that the message is the carrier's: `high` signs the body, `low` does not. */
export const Assurance = z.enum(['high', 'low']);

export const Classification = z.enum(['stop', 'start', 'help', 'keyword', 'message']);
export type Classification = z.infer<typeof Classification>;

/** A message arrived. The stream's existence means received, not done. */
export const InboundReceived = defineEvent(
  'inbound',
  'InboundReceived',
  z.object({
    provider: Provider,
    endpointId: Id,
    providerMessageId: z.string(),
    detailKey: DetailKey.nullable().describe('Null where the sender is no phone number'),
    sender: z.string().describe('The number or short code of the account that was texted'),
    assurance: Assurance,
    receivedAt: Instant,
    saidAt: Instant.optional(),
    from: z.string().optional(),
    text: z.string().optional(),
    optOutMark: z.string().optional().describe('The carrier says that this is STOP, START or HELP'),
    media: z.int().nonnegative().default(0),
  }),
  {
    personal: ['from', 'text'],
    example: {
      provider: 'twilio',
      endpointId: '01890a5d-ac96-774b-bcce-b302099a8057',
      providerMessageId: 'SM0123456789abcdef0123456789abcdef',
      detailKey: 'ab'.repeat(32),
      sender: '+15555550199',
      assurance: 'high',
      receivedAt: '2026-01-02T03:04:05.678Z',
      from: '+15555550100',
      text: 'Stop.',
      media: 0,
    },
  },
);
export const InboundClassified = defineEvent(
  'inbound',
  'InboundClassified',
  z.object({ as: Classification, word: z.string().optional(), keywordId: Id.optional() }),
  { example: { as: 'stop', word: 'stop' } },
);
export const InboundDone = defineEvent(
  'inbound',
  'InboundDone',
  z.object({
    contactId: Id.nullable(),
    contactCreated: z.boolean(),
    /** Which text was answered; the text itself follows from the account's settings at that revision. */
    reply: z.enum(['none', 'opted_out', 'opted_in', 'help', 'keyword']),
    position: Position,
  }),
  { example: { contactId: null, contactCreated: false, reply: 'opted_out', position: 4711 } },
);
export const INBOUND_EVENTS = [InboundReceived, InboundClassified, InboundDone] as const;
export type InboundEvent = EventOf<(typeof INBOUND_EVENTS)[number]>;

/** Credentials are wrapped under the master key before they are appended. */
export const EndpointAdded = defineEvent(
  'endpoint',
  'EndpointAdded',
  z.object({
    endpointId: Id,
    provider: Provider,
    senders: z.array(z.string()),
    wrappedCredentials: z.string(),
  }),
  {
    example: {
      endpointId: '01890a5d-ac96-774b-bcce-b302099a8057',
      provider: 'twilio',
      senders: ['+15555550199'],
      wrappedCredentials: 'AAAA',
    },
  },
);
export const EndpointRemoved = defineEvent('endpoint', 'EndpointRemoved', z.object({}), { example: {} });
export const ENDPOINT_EVENTS = [EndpointAdded, EndpointRemoved] as const;
export type EndpointEvent = EventOf<(typeof ENDPOINT_EVENTS)[number]>;

export const KeywordAdded = defineEvent(
  'keyword',
  'KeywordAdded',
  z.object({
    keywordId: Id,
    word: z.string(),
    endpointId: Id.optional(),
    groups: z.array(Id),
    response: z.string().optional(),
  }),
  {
    example: {
      keywordId: '01890a5d-ac96-774b-bcce-b302099a8057',
      word: 'join',
      groups: ['01890a5d-ac96-774b-bcce-b302099a8058'],
      response: 'Welcome!',
    },
  },
);
export const KeywordChanged = defineEvent(
  'keyword',
  'KeywordChanged',
  z.object({
    groups: z.array(Id).optional(),
    response: z.string().nullable().optional(),
    active: z.boolean().optional(),
  }),
  { example: { active: false } },
);
export const KeywordRemoved = defineEvent('keyword', 'KeywordRemoved', z.object({}), { example: {} });
export const KEYWORD_EVENTS = [KeywordAdded, KeywordChanged, KeywordRemoved] as const;
export type KeywordEvent = EventOf<(typeof KEYWORD_EVENTS)[number]>;

export const Endpoint = z.object({
  id: Id,
  provider: Provider,
  senders: z.array(z.string()),
  webhookPath: z.string().describe("Below the account's public URL"),
});
export const Keyword = z.object({
  id: Id,
  word: z.string(),
  endpointId: Id.optional(),
  groups: z.array(Id),
  response: z.string().optional(),
  active: z.boolean(),
});

export const addEndpoint = command(
  'inbound',
  'add-endpoint',
  'Connects a carrier: its credentials and the numbers it receives for.',
  z.object({
    provider: z.string().max(40),
    senders: z.array(z.string().min(3).max(32)).min(1).max(500),
    credentials: z.record(z.string(), z.string().max(4000)),
  }),
  z.object({ endpoint: Endpoint, ...Written }),
);
export const removeEndpoint = command(
  'inbound',
  'remove-endpoint',
  'Disconnects a carrier.',
  z.object({ id: Id }),
  z.object({ ...Written }),
);
export const listEndpoints = query(
  'inbound',
  'list-endpoints',
  'Connected carriers; never their credentials.',
  z.object({}),
  z.object({ items: z.array(Endpoint) }),
);
export const addKeyword = command(
  'inbound',
  'add-keyword',
  'A word that adds whoever texts it to groups.',
  z.object({
    word: z.string().min(1).max(40),
    endpointId: Id.optional(),
    groups: z.array(Id).min(1).max(20),
    response: z.string().max(1600).optional(),
  }),
  z.object({ keyword: Keyword, ...Written }),
);
export const changeKeyword = command(
  'inbound',
  'change-keyword',
  'Changes groups or response of a keyword, or switches it off and on.',
  z.object({
    id: Id,
    groups: z.array(Id).min(1).max(20).optional(),
    response: z.string().max(1600).nullable().optional(),
    active: z.boolean().optional(),
  }),
  z.object({ keyword: Keyword, ...Written }),
);
export const removeKeyword = command(
  'inbound',
  'remove-keyword',
  'Removes a keyword; who joined by it stays.',
  z.object({ id: Id }),
  z.object({ ...Written }),
);
export const listKeywords = query(
  'inbound',
  'list-keywords',
  'Keywords of the account.',
  z.object({}),
  z.object({ items: z.array(Keyword) }),
);

/** A webhook as it came: raw bytes, headers in lower case, the path below the public URL with its query. */
export const receiveWebhook = command(
  'inbound',
  'receive-webhook',
  'Verifies a carrier request, drives it to its end and says what to answer.',
  z.object({
    provider: z.string().max(40),
    endpointId: Id,
    method: z.string().max(10),
    pathAndQuery: z.string().max(4000),
    headers: z.record(z.string(), z.string()),
    body: z.string().describe('base64'),
    base: z
      .string()
      .max(400)
      .optional()
      .describe("The gateway's own address, for accounts without a public URL"),
  }),
  z.object({
    status: z.int(),
    contentType: z.string(),
    body: z.string(),
    position: Position.nullable(),
  }),
  { timeoutMs: 4_000 },
);

export const InboundView = z.object({
  id: z.string(),
  at: Instant,
  from: z.string().nullable(),
  to: z.string(),
  text: z.string().nullable(),
  classification: Classification.nullable(),
  contactId: Id.nullable(),
  done: z.boolean(),
});
export const listInbound = query(
  'inbound',
  'list-inbound',
  'Messages received, newest first.',
  z.object({ after: z.string().max(200).optional(), limit: z.int().positive().max(100).default(50) }),
  z.object({ items: z.array(InboundView), next: z.string().nullable() }),
);
