import type { Envelope } from '@muster/contracts/envelope';
import type { ErrorCode } from '@muster/contracts/errors';
import type { Subject } from '@muster/contracts/subject';
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Edge } from './edge.js';
import { AtLeastQuery } from './query.schemas.js';
import type { Permission, Principal } from './roles.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How the body is read: parsed JSON, the bytes as they came, or the stream of a multipart upload. */
export type BodyKind = 'json' | 'bytes' | 'upload';

/** What of HTTP a route may need beyond its parsed input. */
export interface Incoming {
  /** Names in lower case; repeated ones joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Path and query as they came, undecoded. */
  readonly url: string;
  /** Where the caller reached the gateway, without a slash at the end. */
  readonly origin: string;
  /** The bytes of a body of kind `bytes`. */
  readonly bytes: Buffer;
  /** The parts of a body of kind `upload`, in order. */
  parts(): AsyncIterable<Part>;
  /** Aborted when the caller leaves or the service stops. */
  readonly signal: AbortSignal;
}

export type Part =
  | { type: 'field'; name: string; value: string }
  | { type: 'file'; name: string; fileName: string; stream: Readable };

/** One call: parsed input, who asks, and the way to ask a service on their behalf. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Its account is the caller's; the nil UUID for the operator and the public, whose routes name one. */
  readonly envelope: Envelope;
  /** Whether the caller made the command repeatable with an `Idempotency-Key`. */
  readonly keyed: boolean;
  readonly principal: Principal;
  readonly edge: Edge;
  readonly http: Incoming;
  ask<I extends z.ZodType, O extends z.ZodType>(
    subject: Subject<I, O>,
    input: z.input<I>,
    envelope?: Envelope,
  ): Promise<z.output<O>>;
}

export interface Answer {
  status: number;
  /** Sent as JSON unless a stream, pages or text are given. */
  body?: unknown;
  text?: string;
  stream?: Readable;
  /** Written one by one, each asked for when the one before has left. */
  pages?: AsyncIterable<string>;
  headers?: Record<string, string>;
}

/** A documented answer: a schema for JSON, or another media type. */
export type AnswerShape = z.ZodType | { mediaType: string; description: string };

/** One call of the API. The table of these is the API: routes, OpenAPI, documentation and matrix come from it. */
export interface Route {
  readonly method: Method;
  /** With `{name}` for parameters; also what logs and traces carry instead of the address. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly bodyKind?: BodyKind;
  /** In bytes; `JSON_BYTES_MAX` unless given. */
  readonly bodyLimit?: number;
  /** True for a POST that takes no `Idempotency-Key`: it changes nothing, or what it carries has an identity of its own. */
  readonly keyless?: boolean;
  /** True where `If-Match` is honoured. */
  readonly ifMatch?: boolean;
  readonly answers: Readonly<Record<number, AnswerShape>>;
  /** What is not there when a parameter cannot be an id. */
  readonly missing?: ErrorCode;
  handle(call: Call): Promise<Answer>;
}

type Shape<S extends z.ZodType | undefined> = S extends z.ZodType ? z.output<S> : Record<string, never>;

interface Definition<
  P extends z.ZodObject | undefined,
  Q extends z.ZodObject | undefined,
  B extends z.ZodType | undefined,
> extends Omit<Route, 'params' | 'query' | 'body' | 'handle'> {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  handle(call: Call<Shape<P>, Shape<Q>, Shape<B>>): Promise<Answer>;
}

/** Declares a route; its handler gets what its schemas say. A query without parameters of its own takes `atLeast`. */
export function route<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(definition: Definition<P, Q, B>): Route {
  const isQuery = definition.method === 'GET' && definition.permission !== 'public';
  const query = definition.query ?? (isQuery ? AtLeastQuery : undefined);
  return { ...definition, ...(query && { query }) } as unknown as Route;
}

export function isWrite(route: Route): boolean {
  return route.method !== 'GET' && route.keyless !== true;
}

/** What the role × call matrix, logs and command ids name a route by. */
export function routeName(route: Pick<Route, 'method' | 'path'>): string {
  return `${route.method} ${route.path}`;
}

/** JSON bodies; the services behind take at most 512 KiB with the envelope around it. */
export const JSON_BYTES_MAX = 448 * 1024;

export const ok = (body: unknown, headers?: Record<string, string>): Answer => ({
  status: 200,
  body,
  ...(headers && { headers }),
});
export const created = (body: unknown): Answer => ({ status: 201, body });
