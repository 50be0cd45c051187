/**
 * Errors with MongoDB's own numbers and names, so that drivers and Mongoose treat them exactly as they treat
 * a real server's. Source of numbers: the manual's error code table (mongodb.com/docs/manual/reference/error-
 * codes).
 */
export const ERROR_NAMES = {
  1: 'InternalError',
  2: 'BadValue',
  9: 'FailedToParse',
  13: 'Unauthorized',
  14: 'TypeMismatch',
  15: 'Overflow',
  20: 'IllegalOperation',
  22: 'InvalidBSON',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  28: 'PathNotViable',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  48: 'NamespaceExists',
  50: 'MaxTimeMSExpired',
  52: 'DollarPrefixedFieldName',
  53: 'InvalidIdField',
  54: 'NotSingleValueField',
  55: 'InvalidDBRef',
  56: 'EmptyFieldName',
  57: 'DottedFieldName',
  59: 'CommandNotFound',
  66: 'ImmutableField',
  67: 'CannotCreateIndex',
  72: 'InvalidOptions',
  73: 'InvalidNamespace',
  85: 'IndexOptionsConflict',
  86: 'IndexKeySpecsConflict',
  112: 'WriteConflict',
  115: 'CommandNotSupported',
  168: 'InvalidPipelineOperator',
  171: 'CannotIndexParallelArrays',
  197: 'InvalidIndexSpecificationOption',
  225: 'TransactionTooOld',
  241: 'ConversionFailure',
  251: 'NoSuchTransaction',
  263: 'OperationNotSupportedInTransaction',
  10334: 'BSONObjectTooLarge',
  11000: 'DuplicateKey',
  11601: 'InterruptedAtShutdown',
} as const;

/** A server error; `extra` holds further reply fields such as `keyPattern` and `keyValue`. */
export class CommandError extends Error {
  constructor(
    readonly code: number,
    readonly codeName: string,
    message: string,
    readonly extra: Readonly<Record<string, unknown>> = {},
    readonly errorLabels: readonly string[] = [],
  ) {
    super(message);
    this.name = 'CommandError';
  }
}

/**
 * An error by number; numbers without a name of their own are called `Location<number>`, as on the server.
 */
export function serverError(code: number, message: string): CommandError {
  const name = (ERROR_NAMES as Record<number, string>)[code] ?? `Location${code}`;
  return new CommandError(code, name, message);
}

/** 2: a value that no operator accepts. */
export const badValue = (message: string): CommandError => serverError(2, message);
/** 9: a command, update or filter of the wrong shape. */
export const failedToParse = (message: string): CommandError => serverError(9, message);
/** 14: a value of the wrong BSON type. */
export const typeMismatch = (message: string): CommandError => serverError(14, message);
/** 20: an operation that is not allowed here. */
export const illegalOperation = (message: string): CommandError => serverError(20, message);
/** 26: the collection or database does not exist. */
export const namespaceNotFound = (message: string): CommandError => serverError(26, message);
/** 27: no index of that name or key. */
export const indexNotFound = (message: string): CommandError => serverError(27, message);
/** 28: an update path runs through a value that can hold no fields. */
export const pathNotViable = (message: string): CommandError => serverError(28, message);
/** 43: the cursor is unknown, exhausted, killed or timed out. */
export const cursorNotFound = (id: string): CommandError => serverError(43, `cursor id ${id} not found`);
/** 48: the collection exists already. */
export const namespaceExists = (message: string): CommandError => serverError(48, message);
/** 59: no such command. */
export const commandNotFound = (name: string): CommandError => serverError(59, `no such command: '${name}'`);
/** 66: an update would change `_id`. */
export const immutableField = (path: string): CommandError =>
  serverError(66, `Performing an update on the path '${path}' would modify the immutable field '_id'`);
/** 67: an index that cannot be built. */
export const cannotCreateIndex = (message: string): CommandError => serverError(67, message);
/** 72: options that do not go together. */
export const invalidOptions = (message: string): CommandError => serverError(72, message);
/** 85: an index with the same key and other options exists. */
export const indexOptionsConflict = (message: string): CommandError => serverError(85, message);
/** 86: an index with the same name and another key exists. */
export const indexKeySpecsConflict = (message: string): CommandError => serverError(86, message);

/**
 * 115: MongoDB has it, this server does not. Refusing is the rule: an approximate answer would pass tests
 * here and be wrong in production.
 */
export const notSupported = (what: string): CommandError =>
  serverError(115, `${what} is not supported by the embedded server`);

/** 168: an expression or accumulator name that MongoDB does not know. */
export const unknownExpression = (name: string): CommandError =>
  serverError(168, `Unrecognized expression '${name}'`);

/** 40324: a stage name that MongoDB does not know, or that is not on the allow-list. */
export const unknownStage = (name: string): CommandError =>
  serverError(40324, `Unrecognized pipeline stage name: '${name}'`);

/** 40: two operators of one update meet on the same path or on a parent and its child. */
export const conflictingUpdate = (path: string, at: string): CommandError =>
  serverError(40, `Updating the path '${path}' would create a conflict at '${at}'`);

/**
 * 11000, worded as the server words it: Mongoose plugins and people parse this text.
 * @param keyText the key as shown after `dup key:`, for example `{ email: "a@b.c" }`
 */
export function duplicateKey(
  namespace: string,
  indexName: string,
  keyPattern: Readonly<Record<string, unknown>>,
  keyValue: Readonly<Record<string, unknown>>,
  keyText: string,
): CommandError {
  const where = `${namespace} index: ${indexName}`;
  const message = `E11000 duplicate key error collection: ${where} dup key: ${keyText}`;
  return new CommandError(11000, 'DuplicateKey', message, { keyPattern, keyValue });
}
