import type { z } from 'zod';
import { subjectName, type ServiceName } from './names.js';

/** One kind of request: who answers it, what goes in, what comes out. Both ends parse with the same schema. */
export interface Subject<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly subject: string;
  readonly service: ServiceName;
  readonly kind: 'cmd' | 'qry';
  readonly summary: string;
  readonly input: I;
  readonly output: O;
  /** How long the caller waits, in milliseconds. */
  readonly timeoutMs: number;
}

interface Options {
  timeoutMs?: number;
}

export function command<I extends z.ZodType, O extends z.ZodType>(
  service: ServiceName,
  name: string,
  summary: string,
  input: I,
  output: O,
  options: Options = {},
): Subject<I, O> {
  const subject = subjectName(service, 'cmd', name);
  return { subject, service, kind: 'cmd', summary, input, output, timeoutMs: options.timeoutMs ?? 10_000 };
}

export function query<I extends z.ZodType, O extends z.ZodType>(
  service: ServiceName,
  name: string,
  summary: string,
  input: I,
  output: O,
  options: Options = {},
): Subject<I, O> {
  const subject = subjectName(service, 'qry', name);
  return { subject, service, kind: 'qry', summary, input, output, timeoutMs: options.timeoutMs ?? 5_000 };
}
