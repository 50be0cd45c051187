/** The closed list of what can be wrong with a rule; the codes are those of the public API. */
export type RuleErrorCode =
  | 'rule:syntax'
  | 'rule:unknown_property'
  | 'rule:unknown_group'
  | 'rule:invalid_value'
  | 'rule:too_long'
  | 'rule:too_many_conditions'
  | 'rule:too_deep'
  | 'rule:time_not_supported';

/**
 * Where a rule went wrong. `position` counts UTF-16 units of the text from 0; for a JSON form it is 0 and `path` names
 * the place (`rules.1.value`). `expected` lists what could have stood there, for people.
 */
export interface RuleError {
  code: RuleErrorCode;
  position: number;
  path?: string;
  expected: string[];
  message: string;
}

/** Carries a RuleError out of the recursion of the two readers; it never leaves this library. */
export class RuleFault extends Error {
  constructor(
    readonly code: RuleErrorCode,
    readonly expected: string[],
    message: string,
    readonly position = 0,
    readonly path?: string,
  ) {
    super(message);
    this.name = 'RuleFault';
  }

  toError(): RuleError {
    const { code, position, path, expected, message } = this;
    return { code, position, ...(path === undefined ? {} : { path }), expected, message };
  }
}
