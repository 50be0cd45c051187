/**
 * Every way in which Muster says no: a closed code and the sentence that tells the caller what to do. The gateway is
 * the only place that turns a code into an HTTP status.
 */
export const ERRORS = {
  'request:invalid': 'The request does not have the documented form. See errors for each place.',
  'request:too_large': 'The request is larger than the documented limit. Send it in smaller parts.',
  'request:unauthenticated': 'Send a valid API key as `Authorization: Bearer <api key>`.',
  'request:forbidden': 'This key or user may not make this call.',
  'request:not_found': 'There is no such address. See /v1/openapi.json for the calls that exist.',
  'request:idempotency_conflict': 'The same Idempotency-Key was used with another body. Use a new key.',
  'request:in_progress': 'The first request with this Idempotency-Key is still under way. Ask again.',
  'service:unavailable': 'A part of the platform does not answer just now. Nothing was lost; try again.',
  'service:busy': 'Others changed the same thing at the same time. Try again.',
  'service:timeout': 'The answer took too long. The command may have been done: repeat it with the same key.',
  'service:internal': 'Something unforeseen went wrong. It was logged under the request id.',
  'read:behind': 'The read model has not yet reached the position asked for. Ask again in a moment.',
  'account:not_found': 'There is no such account.',
  'account:name_required': 'An account needs a name.',
  'phone:invalid': 'This is not a phone number that can receive texts. Write it as +<country><number>.',
  'email:invalid': 'This is not an e-mail address.',
  'contact:not_found': 'There is no such contact, or it was deleted.',
  'contact:required': 'A required value is missing.',
  'contact:identifier_required': 'Give at least a phone number, an e-mail address or an external id.',
  'contact:ambiguous': 'The details given belong to different contacts. Name the contact by its id.',
  'contact:detail_taken': 'Another contact already has this phone number.',
  'contact:revision_conflict': 'The contact was changed since the revision in If-Match. Read it again.',
  'contact:too_many_details': 'A contact can have at most 5 phone numbers and 3 e-mail addresses.',
  'contact:busy': 'The contact is being changed by others at this moment. Try again.',
  'field:not_found': 'There is no such field. Add it first with POST /v1/fields.',
  'field:exists': 'A field with this key exists already.',
  'field:reserved': 'This key belongs to a default field or property.',
  'field:invalid_value': 'The value does not fit the type of the field.',
  'field:too_many': 'The account has as many custom fields as its policy allows.',
  'group:not_found': 'There is no such group.',
  'group:name_taken': 'Another group has this name.',
  'group:builtin': 'The built-in group All contacts cannot be changed.',
  'group:dynamic': 'Members of a dynamic group follow its rule; change the rule instead.',
  'group:standard': 'A standard group has no rule.',
  'group:rule_required': 'A dynamic group needs a rule.',
  'group:in_use': 'The group is used elsewhere. See users.',
  'group:too_many': 'The account has as many groups as it can have.',
  'rule:syntax': 'The rule cannot be read. See position and expected.',
  'rule:unknown_property': 'The rule names a property that does not exist.',
  'rule:unknown_group': 'The rule names a group that does not exist.',
  'rule:invalid_value': 'A value in the rule does not fit its property.',
  'rule:too_long': 'The rule is longer than 10,000 characters.',
  'rule:too_many_conditions': 'The rule has more than 250 conditions.',
  'rule:too_deep': 'The rule is nested deeper than 20 levels.',
  'rule:time_not_supported': 'Rules about time are not part of this release.',
  'consent:evidence_required': 'Opting a person in again needs evidence { source, at, statement }.',
  'consent:reinstate_disabled': 'The policy of this account does not let staff opt people in again.',
  'consent:blocked': 'The contact is blocked. Unblock it first.',
  'consent:detail_invalid': 'This is neither a phone number, an e-mail address nor a detail key.',
  'gate:too_many': 'Ask for at most 500 recipients at a time.',
  'audience:not_found': 'There is no such audience.',
  'audience:lagging': 'The audience cannot be answered exactly just now. Nothing was sent; try again.',
  'audience:no_groups': 'Name at least one group, or a query.',
  'import:not_found': 'There is no such import.',
  'import:no_file': 'Send the file as multipart part `file`, or the rows as `text`.',
  'import:empty': 'The file has no rows.',
  'import:not_text': 'The file is not a text file in a known encoding.',
  'import:too_large': 'The file is larger than the limit.',
  'import:too_many_columns': 'The file has more columns than the limit.',
  'import:mapping_invalid': 'The mapping does not fit the file. See path.',
  'import:mapping_required': 'Map the columns before you start the import.',
  'import:wrong_state': 'The import is not in a state in which this can be done.',
  'import:consent_required': 'Say where the consent of these people comes from: consent { source }.',
  'import:file_gone': 'The uploaded file is no longer there.',
  'row:malformed': 'The row cannot be read as CSV.',
  'row:columns': 'The row has another number of columns than the header.',
  'endpoint:not_found': 'There is no such endpoint.',
  'endpoint:provider_unknown': 'This provider is not supported.',
  'endpoint:credentials_invalid': 'The credentials do not have the form that the provider uses.',
  'keyword:not_found': 'There is no such keyword.',
  'keyword:reserved': 'This word is a mandatory opt-out, opt-in or help word.',
  'keyword:taken': 'This word is in use on the same endpoint.',
  'keyword:invalid': 'A keyword is one word of letters and digits.',
  'webhook:signature': 'The signature of this webhook is wrong.',
  'webhook:malformed': 'The webhook does not have the form that the provider documents.',
  'job:not_found': 'There is no such job.',
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** Facts that belong to a refusal: a place, limits, ids. Never a phone number, an e-mail address, a name or a text. */
export type RefusalData = Record<string, unknown> & { path?: string };

/**
 * The one way to say no. Decide functions throw it, the runtime carries it over NATS, and the gateway turns it into a
 * problem document.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly code: ErrorCode,
    readonly data: RefusalData = {},
  ) {
    super(ERRORS[code]);
  }
}

/** Whether repeating the same request later, unchanged, may succeed. */
export function isRetryable(code: ErrorCode): boolean {
  return RETRYABLE.has(code);
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'service:unavailable',
  'service:busy',
  'service:timeout',
  'read:behind',
  'contact:busy',
  'audience:lagging',
  'request:in_progress',
]);

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}
