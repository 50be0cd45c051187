import { Refusal, isErrorCode, isRetryable, type RefusalData } from '@muster/contracts/errors';
import { z } from 'zod';

/**
 * The largest request, envelope included, in bytes. Larger things are asked for page by page or go by HTTP.
 */
export const REQUEST_MAX_BYTES = 512 * 1024;
/**
 * The largest answer, in bytes: what a NATS server takes by default (1 MiB), less room for the wrapping.
 */
export const ANSWER_MAX_BYTES = 1024 * 1024 - 1024;

const PLACES_MAX = 100;

/** A value that was made into JSON to know its size, and is sent as it is. */
export class Prepared {
  readonly bytes: number;

  constructor(readonly json: string) {
    this.bytes = Buffer.byteLength(json);
  }
}

/** How a refusal travels. */
const WireError = z.object({
  code: z.string(),
  message: z.string().optional(),
  data: z.record(z.string(), z.unknown()).default({}),
  retryable: z.boolean().optional(),
});
type WireError = z.input<typeof WireError>;

export function toWire(refusal: Refusal): WireError {
  const { code, message, data } = refusal;
  return { code, message, data, retryable: isRetryable(code) };
}

/** The refusal that a wire error stands for; null when it is none that we know. */
export function fromWire(error: unknown): Refusal | null {
  const parsed = WireError.safeParse(error);
  if (!parsed.success || !isErrorCode(parsed.data.code)) return null;
  return new Refusal(parsed.data.code, parsed.data.data as RefusalData);
}

/** A path as the rule of documents has it: `rows[3].phone`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** `request:invalid` with the places that do not fit, never their values. */
export function invalid(error: z.ZodError): Refusal {
  const errors = error.issues
    .slice(0, PLACES_MAX)
    .map((issue) => ({ path: pathText(issue.path), code: issue.code, detail: issue.message }));
  return new Refusal('request:invalid', { errors });
}

/** The packets of Nest's NATS transport, with prepared parts put in without making them into JSON again. */
interface Packet {
  data?: unknown;
  response?: unknown;
}

/** Serializer of both ends of the transport. */
export const preparedSerializer = {
  serialize(packet: Packet): { data: string; headers: undefined } {
    const { data, response, ...rest } = packet;
    const parts = Object.entries({ ...rest, data, response }).flatMap(([name, value]) => {
      const json = value instanceof Prepared ? value.json : JSON.stringify(value);
      return json === undefined ? [] : [`${JSON.stringify(name)}:${json}`];
    });
    return { data: `{${parts.join(',')}}`, headers: undefined };
  },
};
