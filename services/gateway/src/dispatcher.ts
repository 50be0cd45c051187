import { Injectable } from '@nestjs/common';
import type { Actor, Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { uuid5, uuid7, type Id } from '@muster/contracts/ids';
import { Accounts } from '@muster/event-store/accounts';
import { Bus } from '@muster/runtime/bus';
import { ServiceEnv } from '@muster/runtime/edge.module';
import { Log } from '@muster/runtime/log';
import type { z } from 'zod';
import { AccountCommands } from './account.commands.js';
import { Authenticator } from './auth.js';
import type { GatewaySettings } from './config.js';
import type { Edge } from './edge.js';
import { EndpointDirectory } from './endpoint.directory.js';
import { Idempotency } from './idempotency.js';
import { ImportFiles } from './import.files.js';
import { invalid } from './problem.js';
import { authorise, type Principal } from './roles.js';
import { isWrite, routeName, type Answer, type Call, type Incoming, type Route } from './route.js';

/** The account of calls that name none: the operator's and the public's. */
export const NIL: Id = '00000000-0000-0000-0000-000000000000';

/** A request as it came, before anything was checked. */
export interface RawCall {
  requestId: Id;
  params: unknown;
  query: unknown;
  /** Parsed JSON; undefined where there is none. */
  body: unknown;
  incoming: Incoming;
}

/** Takes a call from its raw form to its answer: who, whether they may, what they ask, once. */
@Injectable()
export class Dispatcher {
  private readonly edge: Edge;

  constructor(
    private readonly bus: Bus,
    private readonly accounts: Accounts,
    private readonly authenticator: Authenticator,
    private readonly idempotency: Idempotency,
    accountCommands: AccountCommands,
    endpoints: EndpointDirectory,
    importFiles: ImportFiles,
    settings: ServiceEnv<GatewaySettings>,
    log: Log,
  ) {
    const publicUrl = settings.env.PUBLIC_URL;
    this.edge = { accounts, accountCommands, endpoints, importFiles, log, publicUrl };
  }

  /**
   * `known` is told who calls as soon as that is certain, for the log line.
   * @throws Refusal for everything that is refused, with nothing changed.
   */
  async answer(route: Route, raw: RawCall, known: (principal: Principal) => void): Promise<Answer> {
    const { headers } = raw.incoming;
    const principal = await this.authenticator.identify(route.permission, headers['authorization']);
    known(principal);
    const policy = principal.kind === 'key' ? (await this.accounts.get(principal.account)).policy : null;
    authorise(route.permission, principal, policy);
    const input = parse(route, raw);
    const key = isWrite(route) ? idempotencyKey(headers['idempotency-key']) : null;
    const envelope = envelopeOf(route, principal, key, raw);
    const call: Call = {
      ...input,
      envelope,
      keyed: key !== null,
      principal,
      edge: this.edge,
      http: raw.incoming,
      ask: (subject, question, other = envelope) => this.bus.ask(subject, other, question),
    };
    if (key === null) return route.handle(call);
    const request = { params: raw.params, query: raw.query, body: raw.body };
    return this.idempotency.once(envelope, request, () => route.handle(call));
  }
}

/** A parameter that cannot be an id names nothing that exists: that is a 404 and no fault of form. */
function parse(route: Route, raw: RawCall): Pick<Call, 'params' | 'query' | 'body'> {
  const params = route.params?.safeParse(raw.params);
  if (params?.success === false) throw new Refusal(route.missing ?? 'request:not_found');
  return {
    params: params?.data ?? {},
    query: checked(route.query, raw.query, 'query') ?? {},
    body: checked(route.body, raw.body, 'body'),
  };
}

function checked(schema: z.ZodType | undefined, value: unknown, place: 'body' | 'query'): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(parsed.error, place);
  return parsed.data;
}

/** @throws Refusal for a key that is empty, too long or not printable. */
function idempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (!/^[\x20-\x7e]{1,255}$/.test(header))
    throw new Refusal('request:invalid', {
      path: 'header.idempotency-key',
      detail: 'An Idempotency-Key has 1 to 255 printable ASCII characters.',
    });
  return header;
}

function envelopeOf(route: Route, principal: Principal, key: string | null, raw: RawCall): Envelope {
  const account = principal.kind === 'key' ? principal.account : NIL;
  const traceparent = raw.incoming.headers['traceparent'];
  return {
    account,
    actor: actorOf(principal),
    source: { kind: 'api' },
    command: key === null ? uuid7() : uuid5(account, routeName(route), key),
    correlation: raw.requestId,
    at: new Date().toISOString(),
    ...(traceparent !== undefined && /^[\da-f-]{1,64}$/.test(traceparent) && { traceparent }),
  };
}

function actorOf(principal: Principal): Actor {
  switch (principal.kind) {
    case 'key':
      return { kind: 'api_key', id: principal.keyId };
    case 'operator':
      return { kind: 'operator', id: 'operator' };
    case 'nobody':
      return { kind: 'system', id: 'public' };
  }
}
