import { systemEnvelope } from './envelopes.js';
import { uuid7 } from '@muster/contracts/ids';
import { describe, expect, it } from 'vitest';
import { callFields } from './call-context.js';
import { createLog, describeError, scrub, type Log } from './log.js';
import { NestLog } from './nest-log.js';
import { nextSpan } from './trace.js';

function listening(level = 'info'): { log: Log; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const log = createLog('contacts', level, { write: (line) => void written.push(line) });
  return { log, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('a message of a library', () => {
  it.each([
    ['E11000 duplicate key error dup key: { phone: "+16505551234" }', '6505551234'],
    ['Unexpected token A in JSON: "Ada Lovelace" is not valid', 'Ada'],
    ['cannot send to ada@example.org now', 'ada'],
    ["Cast to string failed for value 'Ada'", 'Ada'],
    ['no such number: (650) 555-1234', '555'],
  ])('%s loses what may be personal', (message, personal) => {
    expect(scrub(message)).not.toContain(personal);
  });

  it.each([
    'connect ECONNREFUSED',
    "Cannot read properties of undefined (reading 'position')",
    'no stream contact 0190a0b0-1111-7222-8333-444455556666',
  ])('%s stays as it is', (message) => {
    expect(scrub(message)).toBe(message);
  });
});

describe('an error in the log', () => {
  it('is told by kind, code, scrubbed message, place and cause', () => {
    const cause = Object.assign(new Error('dup key: { name: "Ada" }'), { code: 11_000 });
    const told = describeError(new TypeError('"Ada" is wrong', { cause }));
    expect(told).toMatchObject({ type: 'TypeError', cause: { type: 'Error', code: 11_000 } });
    expect(told['stack']).toContain('log.spec');
    expect(JSON.stringify(told)).not.toContain('Ada');
  });

  it('may be anything that was thrown', () => {
    expect(describeError('+16505551234 failed')).toEqual({ type: 'string', message: '… failed' });
  });
});

describe('a log line', () => {
  it('carries service, level and time', () => {
    const { log, lines } = listening();
    log.info('ready', { httpPort: 1 });
    log.debug('not at this level');
    expect(lines()).toMatchObject([{ service: 'contacts', level: 'info', msg: 'ready', httpPort: 1 }]);
    expect(Date.parse(String(lines()[0]?.['time']))).not.toBeNaN();
  });

  it('carries the ids of the call it was written for', () => {
    const { log, lines } = listening();
    const made = systemEnvelope(uuid7(), { source: { kind: 'system' } });
    const envelope = { ...made, traceparent: nextSpan(made) };
    log.child({ step: 2 }).warn('slow', callFields(envelope, 'contacts.cmd.add'));
    log.info('outside');
    const { account, command, correlation } = envelope;
    const trace = correlation.replaceAll('-', '');
    expect(lines()[0]).toMatchObject({
      account,
      command,
      correlation,
      trace,
      step: 2,
      subject: 'contacts.cmd.add',
    });
    expect(lines()[1]).not.toHaveProperty('account');
  });

  it("of Nest's keeps kind and context and loses values", () => {
    const { log, lines } = listening();
    const nest = new NestLog(log);
    nest.error(new Error('dup key { name: "Ada" }'), 'a stack', 'RpcExceptionsHandler');
    nest.error({ name: 'Ada' });
    nest.log('Starting Nest application...');
    expect(lines()).toHaveLength(2);
    expect(lines()[0]).toMatchObject({ level: 'error', context: 'RpcExceptionsHandler' });
    expect(JSON.stringify(lines())).not.toContain('Ada');
  });
});
