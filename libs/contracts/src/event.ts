import { z } from 'zod';
import { Actor, Instant, Source } from './envelope.js';
import { Id } from './ids.js';
import type { Category } from './names.js';

/** What is kept beside the data of every event. Never personal. */
export const EventMeta = z.object({
  account: Id,
  actor: Actor,
  source: Source,
  /** The command that led to the event: looked for before deciding, so that a repeat changes nothing. */
  command: Id,
  correlation: Id,
  /** When the edge took the command in. */
  at: Instant,
  schemaVersion: z.int().positive(),
  /** The data key under which `sealed` is encrypted, when the event has personal values. */
  key: z.string().optional(),
});
export type EventMeta = z.infer<typeof EventMeta>;

/** The shape of one kind of event, and which of its properties are personal and therefore stored encrypted. */
export interface EventDefinition<T extends string = string, S extends z.ZodType = z.ZodType> {
  readonly type: T;
  readonly category: Category;
  readonly schemaVersion: number;
  readonly schema: S;
  readonly personal: readonly string[];
  readonly example: z.infer<S>;
}

/**
 * Declares an event. Personal properties must be optional: after an erasure, an event is read without them.
 * The example is parsed by a spec and printed in docs/contracts.md.
 */
export function defineEvent<T extends string, S extends z.ZodObject>(
  category: Category,
  type: T,
  schema: S,
  options: { personal?: readonly (keyof z.infer<S> & string)[]; example: z.input<S>; schemaVersion?: number },
): EventDefinition<T, S> {
  return {
    type,
    category,
    schema,
    schemaVersion: options.schemaVersion ?? 1,
    personal: options.personal ?? [],
    example: schema.parse(options.example) as z.infer<S>,
  };
}

/** An event as deciders emit it and as folds read it. */
export type EventOf<D extends EventDefinition> =
  D extends EventDefinition<infer T, infer S> ? { type: T; data: z.infer<S> } : never;
