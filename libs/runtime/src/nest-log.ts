import type { LoggerService } from '@nestjs/common';
import { scrub, type Log } from './log.js';

/**
 * Nest's own lines, as ours: its start-up chatter at level debug, and never an object that it was handed.
 */
export class NestLog implements LoggerService {
  constructor(private readonly out: Log) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.out.debug(text(message), { context: context(rest) });
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.out.debug(text(message), { context: context(rest) });
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.out.debug(text(message), { context: context(rest) });
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.out.warn(text(message), { context: context(rest) });
  }

  error(message: unknown, ...rest: unknown[]): void {
    const error = message instanceof Error ? message : undefined;
    this.out.error(text(message), error, { context: context(rest) });
  }
}

function text(message: unknown): string {
  if (message instanceof Error) return message.name;
  return typeof message === 'string' ? scrub(message) : 'nest';
}

function context(rest: readonly unknown[]): string | undefined {
  const last = rest.at(-1);
  return typeof last === 'string' && /^\w{1,60}$/.test(last) ? last : undefined;
}
