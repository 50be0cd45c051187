import { ERRORS, Refusal, isRetryable, type ErrorCode } from '@muster/contracts/errors';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Prepared, fromWire, invalid, preparedSerializer, toWire } from './wire.js';

describe('a refusal on the wire', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])('%s comes back as itself', (code) => {
    const wire = JSON.parse(JSON.stringify(toWire(new Refusal(code, { path: 'a', limit: 3 })))) as object;
    expect(wire).toMatchObject({ message: ERRORS[code], retryable: isRetryable(code) });
    const back = fromWire(wire);
    expect(back).toBeInstanceOf(Refusal);
    expect(back).toMatchObject({ code, data: { path: 'a', limit: 3 } });
  });

  it.each([
    [{ status: 'error', message: 'Internal server error' }],
    [{ code: 'nobody:knows', data: {} }],
    [{ code: 'toString' }],
    ['Error: Connection lost'],
    [null],
  ])('%j is none', (wire) => {
    expect(fromWire(wire)).toBeNull();
  });
});

describe('a request that does not fit', () => {
  const Schema = z.object({
    rows: z.array(z.object({ phone: z.string().max(5), kind: z.enum(['a', 'b']) })),
    at: z.iso.datetime(),
  });

  it('is told by path, code and detail, never by value', () => {
    const rows = [
      { phone: '1', kind: 'a' },
      { phone: '+16505551234', kind: 'Ada' },
    ];
    const { error } = Schema.safeParse({ rows, at: 'Ada' });
    const refusal = invalid(error as z.ZodError);
    expect(refusal.code).toBe('request:invalid');
    const errors = refusal.data['errors'] as { path: string; code: string; detail: string }[];
    expect(errors.map(({ path, code }) => [path, code])).toEqual([
      ['rows[1].phone', 'too_big'],
      ['rows[1].kind', 'invalid_value'],
      ['at', 'invalid_format'],
    ]);
    expect(JSON.stringify(errors)).not.toMatch(/6505551234|Ada/);
  });

  it('names at most a hundred places', () => {
    const { error } = z.array(z.string()).safeParse(Array.from({ length: 500 }, () => 1));
    expect(invalid(error as z.ZodError).data['errors']).toHaveLength(100);
  });
});

describe('the serializer', () => {
  const read = (packet: Parameters<typeof preparedSerializer.serialize>[0] & object): unknown =>
    JSON.parse(preparedSerializer.serialize(packet).data);

  it('puts prepared parts in as they are', () => {
    expect(read({ data: new Prepared('{"a":[1]}'), pattern: 's"x', id: '1' } as object)).toEqual({
      pattern: 's"x',
      id: '1',
      data: { a: [1] },
    });
  });

  it('leaves out what is undefined and keeps null', () => {
    expect(read({ response: null, err: undefined, isDisposed: true } as object)).toEqual({
      response: null,
      isDisposed: true,
    });
  });

  it('counts bytes, not characters', () => {
    expect(new Prepared('"é€"').bytes).toBe(7);
  });
});
