import { describe, expect, it } from 'vitest';
import { ERRORS, Refusal, isErrorCode, isRetryable, type ErrorCode } from './errors.js';

const codes = Object.keys(ERRORS) as ErrorCode[];

describe('error codes', () => {
  it.each(codes)('%s: is <noun>:<reason> with a sentence', (code) => {
    expect(code).toMatch(/^[a-z]+:[a-z]+(_[a-z]+)*$/);
    expect(ERRORS[code]).toMatch(/^[A-Z].{10,}\.$/);
  });

  it('say each thing once', () => {
    const sentences = Object.values(ERRORS);
    expect([...new Set(sentences)]).toEqual(sentences);
  });

  it('are known by name, and nothing else is', () => {
    expect(codes.filter((code) => !isErrorCode(code))).toEqual([]);
    for (const other of ['toString', 'contact:', 'ENOENT', '', null, 7])
      expect(isErrorCode(other)).toBe(false);
  });

  it('may be tried again only where nothing was refused for good', () => {
    expect(codes.filter(isRetryable).sort()).toEqual([
      'audience:lagging',
      'contact:busy',
      'read:behind',
      'request:in_progress',
      'service:busy',
      'service:timeout',
      'service:unavailable',
    ]);
  });

  it('make a refusal whose message is the sentence and never the data', () => {
    const refusal = new Refusal('contact:detail_taken', { path: 'phone' });
    expect(refusal.message).toBe(ERRORS['contact:detail_taken']);
    expect(refusal.data).toEqual({ path: 'phone' });
  });
});
