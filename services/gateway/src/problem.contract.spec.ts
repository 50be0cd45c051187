import { ERRORS, isRetryable, Refusal, type ErrorCode } from '@muster/contracts/errors';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { invalid, Problem, problemOf, refusalIn, STATUS } from './problem.js';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const ID = '00000000-0000-4000-8000-000000000001';

describe('problem documents', () => {
  it('has a status for every code and no other', () => {
    expect(Object.keys(STATUS).sort()).toEqual([...CODES].sort());
  });

  it.each(CODES)('makes a document of %s that says what to do', (code) => {
    const { status, headers, problem } = problemOf(new Refusal(code), ID);
    expect(Problem.parse(problem)).toMatchObject({ status, code, requestId: ID });
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(headers['retry-after'] !== undefined).toBe(isRetryable(code));
    expect(problem.detail).toBe(ERRORS[code]);
    expect(problem.title).not.toMatch(/\.$/);
  });

  it('answers what may be repeated with a status that clients and carriers repeat', () => {
    const repeated = new Set([409, 503, 504]);
    expect(CODES.filter((code) => isRetryable(code) && !repeated.has(STATUS[code]))).toEqual([]);
  });

  it('keeps its own members from the facts of a refusal', () => {
    const data = { path: 'phone', status: 200, code: 'x', type: 'y', title: 'z', users: ['k'] };
    expect(problemOf(new Refusal('group:in_use', data), ID).problem).toMatchObject({
      type: '/docs#group:in_use',
      status: 409,
      code: 'group:in_use',
      title: 'The group is used elsewhere',
      path: 'phone',
      users: ['k'],
    });
  });

  it('asks for a key where one is missing', () => {
    expect(problemOf(new Refusal('request:unauthenticated'), ID).headers['www-authenticate']).toBe(
      'Bearer realm="muster"',
    );
  });
});

describe('what was thrown', () => {
  it.each([
    [{ code: 'FST_ERR_CTP_INVALID_JSON_BODY', statusCode: 400 }, 'request:invalid'],
    [{ code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', statusCode: 415 }, 'request:invalid'],
    [{ code: 'FST_ERR_CTP_BODY_TOO_LARGE', statusCode: 413 }, 'request:too_large'],
    [{ code: 'FST_ERR_REP_ALREADY_SENT', statusCode: 500 }, null],
    [new TypeError('x is not a function'), null],
    [new Refusal('contact:not_found'), 'contact:not_found'],
  ])('reads %o as %s', (thrown, code) => {
    expect(refusalIn(thrown)?.code ?? null).toBe(code);
  });

  it('names every place and never the value', () => {
    const schema = z.strictObject({ rows: z.array(z.strictObject({ phone: z.string() })), n: z.int() });
    const secret = '+15555550100';
    const error = schema.safeParse({ rows: [{ phone: 1, mail: secret }], n: secret }).error as z.ZodError;
    const { data } = invalid(error, 'body');
    expect(data['errors']).toEqual([
      expect.objectContaining({ path: 'rows[0].phone', code: 'invalid_type' }),
      expect.objectContaining({ path: 'rows[0].mail', code: 'unrecognized_keys' }),
      expect.objectContaining({ path: 'n', code: 'invalid_type' }),
    ]);
    expect(JSON.stringify(data)).not.toContain(secret);
    expect(invalid(error, 'query').data.path).toBe('query.rows[0].phone');
  });
});
