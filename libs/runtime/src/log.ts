import { pino, type DestinationStream, type Logger as Pino } from 'pino';

/** Ids, counts and codes. Never a phone number, an e-mail address, a name or a text. */
export type LogFields = Record<string, unknown>;

const MESSAGE_MAX = 300;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * A message of a library without what may be somebody's data: quoted and braced parts, e-mail addresses and
 * long runs of digits go, UUIDs and the name of the property in "reading 'name'" stay. Drivers put values
 * into their messages, as MongoDB does with duplicate keys.
 */
export function scrub(message: string): string {
  return message
    .replace(/\{[^]*\}/g, '{…}')
    .replace(/(?<!reading |setting )(["'`])(?:(?!\1)[^])*\1/g, '$1…$1')
    .replace(/[^\s@]+@[^\s@]+/g, '…')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\+?\d[\d ().-]{4,}\d/g, (text) =>
      UUID.test(text) ? text : '…',
    )
    .slice(0, MESSAGE_MAX);
}

/** What a log line says of an error: its kind, its code, its scrubbed message and where it was thrown. */
export function describeError(error: unknown, depth = 0): LogFields {
  if (!(error instanceof Error)) return { type: typeof error, message: scrub(String(error)) };
  const code = (error as { code?: unknown }).code;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message: scrub(error.message),
    stack: frames.map((line) => line.trim()).join('\n'),
    ...(error.cause === undefined || depth > 2 ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}

/** Writes JSON lines to standard output. Lines written while a request is handled are given its ids (`callFields`). */
export class Log {
  constructor(private readonly pino: Pino) {}

  debug(msg: string, fields: LogFields = {}): void {
    this.pino.debug(fields, msg);
  }

  info(msg: string, fields: LogFields = {}): void {
    this.pino.info(fields, msg);
  }

  warn(msg: string, fields: LogFields = {}): void {
    this.pino.warn(fields, msg);
  }

  /** `error` is written without values: see `scrub`. */
  error(msg: string, error?: unknown, fields: LogFields = {}): void {
    this.pino.error(error === undefined ? fields : { ...fields, error: describeError(error) }, msg);
  }

  /** A log whose lines all carry `fields`. */
  child(fields: LogFields): Log {
    return new Log(this.pino.child(fields));
  }
}

/** A log for one service; `destination` is standard output unless given. */
export function createLog(service: string, level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return new Log(destination === undefined ? pino(options) : pino(options, destination));
}
