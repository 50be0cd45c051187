import { z } from 'zod';
import { Id } from './ids.js';

/** A moment in UTC, ISO 8601 with milliseconds, so that text order is time order. */
export const Instant = z.iso.datetime({ precision: 3 });
export type Instant = z.infer<typeof Instant>;

/** Where a command came from; kept with every event. Holds ids, never personal data. */
export const Source = z.object({
  kind: z.enum(['api', 'console', 'import', 'inbound', 'keyword', 'provider', 'rule', 'system']),
  import: Id.optional(),
  row: z.int().nonnegative().optional(),
  keyword: Id.optional(),
  message: z.string().max(128).optional(),
});
export type Source = z.infer<typeof Source>;

/** Who acts: an API key, the operator, a process of Muster's, or the person who texted. */
export const Actor = z.object({
  kind: z.enum(['api_key', 'operator', 'system', 'person']),
  id: z.string().max(64),
});
export type Actor = z.infer<typeof Actor>;

/** Travels with every command and query. `at` is when the edge took the request in; `command` makes it repeatable. */
export const Envelope = z.object({
  account: Id,
  actor: Actor,
  source: Source,
  command: Id,
  correlation: Id,
  at: Instant,
  traceparent: z.string().max(64).optional(),
});
export type Envelope = z.infer<typeof Envelope>;

/** A place in the one ordered log of all facts. Compare with `>=` only; the gaps mean nothing. */
export const Position = z.int().nonnegative();
export type Position = z.infer<typeof Position>;

/** A query may ask for an answer that includes everything up to a position that a write returned. */
export const AtLeast = { atLeast: Position.optional() };

/** Answer of every command. */
export const Written = { position: Position };
