import { AsyncLocalStorage } from 'node:async_hooks';
import type { Envelope } from '@muster/contracts/envelope';
import { traceIds } from './trace.js';

const calls = new AsyncLocalStorage<Record<string, string>>();

/** Runs `work` so that every log line it writes carries the ids of the envelope and of its trace. */
export function withinCall<T>(envelope: Envelope, subject: string, work: () => T): T {
  const { account, command, correlation } = envelope;
  return calls.run({ subject, account, command, correlation, ...traceIds(envelope.traceparent) }, work);
}

/** The ids of the call that is being handled, for log lines; empty outside of one. */
export function callFields(): Record<string, string> {
  return calls.getStore() ?? {};
}
