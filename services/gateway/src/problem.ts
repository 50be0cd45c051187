import { ERRORS, isErrorCode, isRetryable, Refusal, type ErrorCode } from '@muster/contracts/errors';
import { z } from 'zod';

/** The HTTP status of every refusal. Here and nowhere else; a code without one does not compile. */
export const STATUS: Record<ErrorCode, number> = {
  'request:invalid': 400,
  'request:too_large': 413,
  'request:unauthenticated': 401,
  'request:forbidden': 403,
  'request:not_found': 404,
  'request:idempotency_conflict': 422,
  'request:in_progress': 409,
  'service:unavailable': 503,
  'service:busy': 503,
  'service:timeout': 504,
  'service:internal': 500,
  'read:behind': 503,
  'account:not_found': 404,
  'account:name_required': 422,
  'phone:invalid': 422,
  'email:invalid': 422,
  'contact:not_found': 404,
  'contact:required': 422,
  'contact:identifier_required': 422,
  'contact:ambiguous': 409,
  'contact:detail_taken': 409,
  'contact:revision_conflict': 412,
  'contact:too_many_details': 422,
  'contact:busy': 503,
  'field:not_found': 422,
  'field:exists': 409,
  'field:reserved': 422,
  'field:invalid_value': 422,
  'field:too_many': 422,
  'group:not_found': 404,
  'group:name_taken': 409,
  'group:builtin': 409,
  'group:dynamic': 409,
  'group:standard': 422,
  'group:rule_required': 422,
  'group:in_use': 409,
  'group:too_many': 422,
  'rule:syntax': 422,
  'rule:unknown_property': 422,
  'rule:unknown_group': 422,
  'rule:invalid_value': 422,
  'rule:too_long': 422,
  'rule:too_many_conditions': 422,
  'rule:too_deep': 422,
  'rule:time_not_supported': 422,
  'consent:evidence_required': 422,
  'consent:reinstate_disabled': 403,
  'consent:blocked': 409,
  'consent:detail_invalid': 422,
  'gate:too_many': 422,
  'audience:not_found': 404,
  'audience:lagging': 503,
  'audience:no_groups': 422,
  'import:not_found': 404,
  'import:no_file': 400,
  'import:empty': 422,
  'import:not_text': 422,
  'import:too_large': 413,
  'import:too_many_columns': 422,
  'import:mapping_invalid': 422,
  'import:mapping_required': 409,
  'import:wrong_state': 409,
  'import:consent_required': 422,
  'import:file_gone': 410,
  'row:malformed': 422,
  'row:columns': 422,
  'endpoint:not_found': 404,
  'endpoint:provider_unknown': 422,
  'endpoint:credentials_invalid': 422,
  'keyword:not_found': 404,
  'keyword:reserved': 422,
  'keyword:taken': 409,
  'keyword:invalid': 422,
  'webhook:signature': 403,
  'webhook:malformed': 400,
  'job:not_found': 404,
};

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

const RETRY_AFTER_SECONDS = 1;

/** RFC 9457, with the closed code and the place that is wrong. Facts of the refusal stand beside these members. */
export const Problem = z.looseObject({
  type: z.string().describe('Where the code is explained, relative to the address of the platform'),
  title: z.string(),
  status: z.int(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  detail: z.string().describe('What to do'),
  path: z.string().optional().describe('The place in the request, such as `fields.plan` or `query.limit`'),
  errors: z.array(z.object({ path: z.string(), code: z.string(), detail: z.string() })).optional(),
  requestId: z.string().describe('Names this request in the logs'),
});
export type Problem = z.infer<typeof Problem>;

/** What is answered instead of the thing asked for. */
export interface ProblemAnswer {
  status: number;
  headers: Record<string, string>;
  problem: Problem;
}

/** The problem document of a refusal. */
export function problemOf(refusal: Refusal, requestId: string): ProblemAnswer {
  const { code, data } = refusal;
  const sentence = ERRORS[code];
  const status = STATUS[code];
  const detail = typeof data['detail'] === 'string' ? data['detail'] : sentence;
  const title = /^[^.]+\./.exec(sentence)?.[0].slice(0, -1) ?? sentence;
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store' };
  if (isRetryable(code)) headers['retry-after'] = `${RETRY_AFTER_SECONDS}`;
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="muster"';
  const problem = { ...data, type: `/docs#${code}`, title, status, code, detail, requestId };
  return { status, headers, problem };
}

/**
 * The refusal in anything that was thrown: our own, a schema's, or what Fastify says of a request that it cannot read.
 * Null for the unforeseen, which is logged and answered as `service:internal`.
 */
export function refusalIn(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (isErrorCode(code)) return new Refusal(code);
  if (typeof code !== 'string' || !code.startsWith('FST_')) return null;
  if (statusCode === 413) return new Refusal('request:too_large');
  if (statusCode === 415) return new Refusal('request:invalid', { path: 'header.content-type' });
  return typeof statusCode === 'number' && statusCode < 500 ? new Refusal('request:invalid') : null;
}

/** A schema's findings as one refusal. Messages name what was expected, never the value that came. */
export function invalid(error: z.ZodError, place: 'body' | 'query' | 'header'): Refusal {
  const errors = error.issues.flatMap((issue) => flatten(issue, place));
  const first = errors[0];
  return new Refusal('request:invalid', {
    ...(first && { path: first.path, detail: first.path ? `${first.path}: ${first.detail}` : first.detail }),
    errors,
  });
}

/** Properties of the body are named as they are, `rows[3].phone`; the query and headers are named as such. */
function flatten(issue: z.core.$ZodIssue, place: string): { path: string; code: string; detail: string }[] {
  const at = (path: PropertyKey[]): string => pathText([...(place === 'body' ? [] : [place]), ...path]);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: at([...issue.path, key]),
      code: issue.code,
      detail: 'There is no such property.',
    }));
  return [{ path: at(issue.path), code: issue.code, detail: issue.message }];
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}
