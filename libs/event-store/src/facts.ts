import { eventDefinition } from '@muster/contracts/all-events';
import type { Instant } from '@muster/contracts/envelope';
import { EventMeta } from '@muster/contracts/event';
import { parseStreamName, type Category } from '@muster/contracts/names';
import type { z } from 'zod';
import type { DataKey, KeyRing } from './keys.js';
import { openValues, sealValues } from './seal.js';
import { upcast } from './upcast.js';

export interface NewEvent {
  type: string;
  data: object;
}

/** An event as it happened: parsed, brought up to today's shape and, where the key still exists, unsealed. */
export interface Fact<E extends NewEvent = NewEvent> {
  id: string;
  stream: string;
  category: Category;
  account: string;
  streamId: string;
  type: E['type'];
  data: E['data'];
  meta: z.infer<typeof EventMeta>;
  /** Number of the event within its stream, from 0. */
  revision: number;
  /** Place of the event in the one log. */
  position: number;
  /** When the store took the event. */
  at: Instant;
  /** True where the event had personal values whose key was destroyed. */
  shredded: boolean;
}

/** What the store hands over before anything is parsed. */
export interface RawFact {
  id: string;
  stream: string;
  type: string;
  data: unknown;
  metadata: unknown;
  revision: number;
  position: number;
  at: Date;
}

/** An event that this release cannot read. Names the place, never the content. */
export class Undecodable extends Error {
  constructor(
    readonly raw: RawFact,
    readonly reason: string,
  ) {
    super(`${raw.type} at ${raw.position} cannot be read: ${reason}`);
  }
}

/**
 * Splits personal values off and seals them under the key, bound to the stream and the event's type.
 * @throws Error when the event is not declared, does not fit its schema, or needs a key and has none.
 */
export function encodeData(
  stream: string,
  event: NewEvent,
  key: DataKey | undefined,
): { data: object; key?: string } {
  const definition = eventDefinition(event.type);
  if (!definition) throw new Error(`${event.type} is not a declared event`);
  const parsed = definition.schema.parse(event.data) as Record<string, unknown>;
  const personal = definition.personal.filter((name) => parsed[name] !== undefined);
  if (personal.length === 0) return { data: parsed };
  if (!key) throw new Error(`${event.type} holds personal values and needs a data key`);
  const plain: Record<string, unknown> = {};
  for (const name of Object.keys(parsed)) if (!personal.includes(name)) plain[name] = parsed[name];
  const secret: Record<string, unknown> = {};
  for (const name of personal) secret[name] = parsed[name];
  plain['sealed'] = sealValues(key.secret, context(stream, event.type), secret);
  return { data: plain, key: key.id };
}

const context = (stream: string, type: string): string => `${stream}|${type}`;

const keyIdOf = (raw: RawFact): string | undefined => (raw.metadata as { key?: string } | null)?.key;

/**
 * Decodes a batch with one look-up of keys. Without a key ring, or where a key is gone, personal properties are absent.
 * @throws Undecodable for the first event that this release cannot read.
 */
export async function decodeFacts(raws: readonly RawFact[], keys: KeyRing | null): Promise<Fact[]> {
  const ids = keys ? [...new Set(raws.map(keyIdOf).filter((id) => id !== undefined))] : [];
  const found = keys && ids.length > 0 ? await keys.get(ids) : new Map<string, DataKey>();
  return raws.map((raw) => decodeFact(raw, found));
}

function decodeFact(raw: RawFact, keys: ReadonlyMap<string, DataKey>): Fact {
  const name = parseStreamName(raw.stream);
  if (!name) throw new Undecodable(raw, 'the stream name is not one of ours');
  const meta = EventMeta.safeParse(raw.metadata);
  if (!meta.success) throw new Undecodable(raw, 'the metadata does not have the known form');
  const { sealed, ...plain } = upcast(raw.type, meta.data.schemaVersion, raw.data as Record<string, unknown>);
  const key = meta.data.key === undefined ? undefined : keys.get(meta.data.key);
  const opened =
    typeof sealed === 'string' && key
      ? openValues(key.secret, context(raw.stream, raw.type), sealed)
      : undefined;
  // Not spread together with the rest, which takes as long as parsing both.
  const data = parseData(raw, Object.assign(plain, opened));
  return {
    id: raw.id,
    stream: raw.stream,
    category: name.category,
    account: name.account,
    streamId: name.id ?? name.account,
    type: raw.type,
    data,
    meta: meta.data,
    revision: raw.revision,
    position: raw.position,
    at: raw.at.toISOString(),
    shredded: sealed !== undefined && opened === undefined,
  };
}

/** Events of a later release pass as they are, so that an older reader neither stops nor guesses. */
function parseData(raw: RawFact, data: object): object {
  const definition = eventDefinition(raw.type);
  if (!definition) return data;
  const parsed = definition.schema.safeParse(data);
  if (parsed.success) return parsed.data as object;
  const where = parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.code}`).join(', ');
  throw new Undecodable(raw, where);
}
