import { Envelope } from '@muster/contracts/envelope';
import { uuid7 } from '@muster/contracts/ids';
import { describe, expect, it } from 'vitest';
import { followUp, systemEnvelope } from './envelopes.js';
import { nextSpan, traceIds } from './trace.js';

const account = uuid7();

describe('an envelope of the system', () => {
  it('is a whole envelope, fresh unless told otherwise', () => {
    const one = systemEnvelope(account, { source: { kind: 'rule' } });
    const two = systemEnvelope(account, { source: { kind: 'rule' } });
    expect(Envelope.parse(one)).toEqual(one);
    expect(one.command).not.toBe(two.command);
    const at = '2026-01-02T03:04:05.678Z';
    const given = { command: uuid7(), correlation: uuid7(), at };
    expect(systemEnvelope(account, { source: { kind: 'system' }, ...given })).toMatchObject(given);
  });
});

describe('an envelope that follows from another', () => {
  it('has the same command for the same parts, another for others, and keeps the rest', () => {
    const first = systemEnvelope(account, { source: { kind: 'system' } });
    expect(followUp(first, 'a', 'b')).toEqual(followUp(first, 'a', 'b'));
    expect(followUp(first, 'a', 'b').command).not.toBe(followUp(first, 'a', 'c').command);
    expect({ ...followUp(first, 'a'), command: first.command }).toEqual(first);
  });
});

describe('a trace', () => {
  it('begins with the correlation id and goes on with new spans', () => {
    const envelope = systemEnvelope(account, { source: { kind: 'system' } });
    const one = nextSpan(envelope);
    const two = nextSpan({ ...envelope, traceparent: one });
    expect(Envelope.shape.traceparent.safeParse(two).success).toBe(true);
    expect(traceIds(one).trace).toBe(envelope.correlation.replaceAll('-', ''));
    expect(traceIds(two).trace).toBe(traceIds(one).trace);
    expect(traceIds(two).span).not.toBe(traceIds(one).span);
  });

  it('keeps the id and the flags that came from outside, and replaces what is none', () => {
    const outside = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-00`;
    const envelope = systemEnvelope(account, { source: { kind: 'system' } });
    expect(nextSpan({ ...envelope, traceparent: outside })).toMatch(/^00-(ab){16}-[0-9a-f]{16}-00$/);
    expect(traceIds(nextSpan({ ...envelope, traceparent: 'nonsense' })).trace).toBe(
      envelope.correlation.replaceAll('-', ''),
    );
    expect(traceIds('nonsense')).toEqual({});
  });
});
