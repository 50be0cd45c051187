import { randomBytes } from 'node:crypto';
import type { Envelope } from '@muster/contracts/envelope';

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = '01';

/**
 * The W3C `traceparent` (https://www.w3.org/TR/trace-context/) of the next step of the work that an
 * envelope belongs to: the same trace, a new span. Without a usable one, the trace takes its id from the
 * correlation id, so that both find the same lines.
 */
export function nextSpan(envelope: Pick<Envelope, 'correlation' | 'traceparent'>): string {
  const span = randomBytes(8).toString('hex');
  const [, trace, , flags] = TRACEPARENT.exec(envelope.traceparent ?? '') ?? [];
  return `00-${trace ?? envelope.correlation.replaceAll('-', '')}-${span}-${flags ?? SAMPLED}`;
}

/** The ids of trace and span in a `traceparent`; nothing when it has another form. */
export function traceIds(traceparent: string | undefined): { trace?: string; span?: string } {
  const [, trace, span] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  return trace === undefined ? {} : { trace, span };
}
