import type { Envelope } from '@muster/contracts/envelope';
import { traceIds } from './trace.js';

/**
 * What every log line written on behalf of a call carries: its ids and those of its trace. Handed over by name: a context
 * that follows a call by itself is paid for with every promise of the process, and an import makes a hundred of them a row.
 */
export function callFields(envelope: Envelope, subject?: string): Record<string, string> {
  const { account, command, correlation } = envelope;
  const ids = { account, command, correlation, ...traceIds(envelope.traceparent) };
  return subject === undefined ? ids : { subject, ...ids };
}
