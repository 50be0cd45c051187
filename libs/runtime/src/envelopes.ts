import type { Envelope, Source } from '@muster/contracts/envelope';
import { uuid5, uuid7, type Id } from '@muster/contracts/ids';

interface SystemEnvelope {
  source: Source;
  /** Makes the command repeatable; a fresh one without. */
  command?: Id;
  /** The work this belongs to; the command itself without. */
  correlation?: Id;
  /** When the work came about; now without. */
  at?: string;
}

/** The envelope of a command that no person and no API key gave: a process of Muster's acts. */
export function systemEnvelope(account: Id, options: SystemEnvelope): Envelope {
  const command = options.command ?? uuid7();
  return {
    account,
    actor: { kind: 'system', id: 'muster' },
    source: options.source,
    command,
    correlation: options.correlation ?? command,
    at: options.at ?? new Date().toISOString(),
  };
}

/**
 * The envelope of a command that follows from another: same account, actor, source, correlation, time and
 * trace. The command id derives from the first one and `parts`, so that a repeat of the first repeats the
 * second.
 */
export function followUp(envelope: Envelope, ...parts: string[]): Envelope {
  return { ...envelope, command: uuid5(envelope.command, ...parts) };
}
