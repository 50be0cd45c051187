import { type FieldCatalogue, findProperty } from './catalogue.js';
import { checkOperator, makeCompare, makeIn, makeSearch } from './conditions.js';
import { printRule } from './print.js';
import { BUILT_IN_PROPERTIES, operatorsOf, type Property } from './properties.js';
import {
  type CompareOperator,
  conditionsOf,
  CONDITIONS_MAX,
  DEPTH_MAX,
  depthOf,
  LENGTH_MAX,
  type Rule,
  type RuleValue,
} from './rule.js';
import { type RuleError, RuleFault } from './rule-error.js';
import { Scanner, type Token } from './scanner.js';

export type ParsedRule = { ok: true; rule: Rule } | { ok: false; error: RuleError };

const CONDITION = ['a property', 'a word to search for', 'not', 'has', '('];
const TIME = /(?:within\s+(?:last|next)|older\s+than|is\s+today|anniversary\s+in)(?![\p{L}\p{N}_])/iuy;
const LIST = /in\s*\(/iy;
const NOT_LIST = /not\s+in\s*\(/iy;
const RESERVED = /^(?:and|or|not)$/i;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

const keyword = (word: string) => new RegExp(`${word}(?![^\\s(),"“”„])`, 'iy');
const AND = keyword('and');
const OR = keyword('or');
const NOT = keyword('not');
const HAS = keyword('has');
const TRUE = keyword('true');

/** What the text may name; without a catalogue every name is a field and every group id is good. */
interface Names {
  catalogue: FieldCatalogue;
  find(name: string): Property | undefined;
}

function expected(what: string[], message: string, position: number): RuleFault {
  return new RuleFault('rule:syntax', what, message, position);
}

class RuleReader {
  private conditions = 0;
  private level = 0;
  /** End of a bare text value; another word right behind it is a value that lacks its quotes. */
  private bareValueEnd = -1;

  constructor(
    private readonly scanner: Scanner,
    private readonly names: Names,
  ) {}

  read(): Rule {
    this.scanner.skip(true);
    if (this.scanner.atEnd()) return { op: 'true' };
    const rule = this.either();
    this.scanner.skip(true);
    if (this.scanner.atEnd()) return rule;
    throw expected(
      ['and', 'or', 'end of the rule'],
      'The rule cannot go on like this.',
      this.scanner.position,
    );
  }

  private either(): Rule {
    return this.join(
      'or',
      () => this.both(),
      () => this.scanner.matches(OR, true),
    );
  }

  private both(): Rule {
    return this.join(
      'and',
      () => this.negated(),
      () => this.scanner.matches(AND, true) || this.standsBeside(),
    );
  }

  /** Conditions side by side hold together, as words in a search box do. */
  private standsBeside(): boolean {
    const start = this.scanner.position;
    this.scanner.skip(true);
    const more = !this.scanner.atEnd() && this.scanner.peekChar() !== ')' && !this.scanner.matches(OR);
    if (!more) this.scanner.position = start;
    if (more && this.bareValueEnd === start) {
      const what = ['and', 'or', 'quotes round a value of several words'];
      throw expected(what, 'A value of several words needs quotes.', this.scanner.position);
    }
    return more;
  }

  private join(op: 'and' | 'or', part: () => Rule, more: () => boolean): Rule {
    this.scanner.skip();
    const start = this.scanner.position;
    const rules = [part()];
    while (more()) rules.push(part());
    const [only] = rules;
    const rule: Rule = only && rules.length === 1 ? only : { op, rules };
    this.checkDepth(depthOf(rule), start);
    return rule;
  }

  private checkDepth(depth: number, position: number): void {
    if (depth <= DEPTH_MAX) return;
    const what = [`at most ${DEPTH_MAX} levels`];
    throw new RuleFault(
      'rule:too_deep',
      what,
      `The rule is nested deeper than ${DEPTH_MAX} levels.`,
      position,
    );
  }

  private inside<Result>(position: number, body: () => Result): Result {
    this.level += 1;
    this.checkDepth(this.level, position);
    const result = body();
    this.level -= 1;
    return result;
  }

  private negated(): Rule {
    this.scanner.skip();
    const start = this.scanner.position;
    if (!this.scanner.matches(NOT, true)) return this.primary();
    const rule: Rule = { op: 'not', rule: this.inside(start, () => this.negated()) };
    this.checkDepth(depthOf(rule), start);
    return rule;
  }

  private primary(): Rule {
    const { scanner } = this;
    scanner.skip();
    const start = scanner.position;
    const phone = scanner.takePhone();
    if (phone) return this.search(phone);
    if (scanner.takeChar('(')) return this.inside(start, () => this.bracketed());
    if (scanner.matches(HAS, true)) return this.has(start);
    if (scanner.matches(TRUE, true)) return { op: 'true' };
    const token = scanner.takeQuoted() ?? scanner.takeWord();
    if (!token || (!token.quoted && RESERVED.test(token.raw))) {
      throw expected(
        CONDITION,
        scanner.atEnd() ? 'The rule ends too early.' : 'A condition is missing here.',
        start,
      );
    }
    return this.named(token);
  }

  private bracketed(): Rule {
    const rule = this.either();
    if (this.scanner.takeChar(')')) return rule;
    this.scanner.skip();
    throw expected([')', 'and', 'or'], 'A bracket is not closed.', this.scanner.position);
  }

  private count(position: number): void {
    this.conditions += 1;
    if (this.conditions > CONDITIONS_MAX) throw tooMany(position);
  }

  private search(token: Token): Rule {
    this.count(token.position);
    return this.placed(token.position, () => makeSearch(token.raw));
  }

  /** Gives the faults of a part the place where the part begins. */
  private placed<Result>(position: number, make: () => Result): Result {
    try {
      return make();
    } catch (fault) {
      if (!(fault instanceof RuleFault)) throw fault;
      throw new RuleFault(fault.code, fault.expected, fault.message, position);
    }
  }

  private unknown(token: Token): RuleFault {
    const names = [...BUILT_IN_PROPERTIES, ...this.names.catalogue.fields].map((property) => property.key);
    const message = 'There is no property with this name.';
    return new RuleFault('rule:unknown_property', names, message, token.position);
  }

  private has(start: number): Rule {
    this.scanner.skip();
    const token = this.scanner.takeQuoted() ?? this.scanner.takeWord();
    if (!token) throw expected(['a property'], 'has needs a property.', this.scanner.position);
    const property = this.names.find(token.raw);
    if (!property) throw this.unknown(token);
    this.count(start);
    return { op: 'has', property: property.key };
  }

  /** A word or text at the place of a condition: a property when an operator follows, else a search. */
  private named(token: Token): Rule {
    const { scanner } = this;
    const end = scanner.position;
    const property = this.names.find(token.raw);
    if (scanner.matches(TIME)) {
      if (!property) throw this.unknown(token);
      scanner.skip();
      const message = 'Rules about time are not part of this release.';
      throw new RuleFault('rule:time_not_supported', operators(property), message, scanner.position);
    }
    for (const [pattern, negative] of [[LIST, false] as const, [NOT_LIST, true] as const]) {
      if (!scanner.matches(pattern, property !== undefined)) continue;
      if (!property) throw this.unknown(token);
      const rule = this.list(token.position, property);
      return negative ? { op: 'not', rule } : rule;
    }
    scanner.skip();
    const place = scanner.position;
    const symbol = scanner.takeSymbol() as CompareOperator | undefined;
    if (symbol && !property) throw this.unknown(token);
    if (symbol && property) return this.comparison(token.position, property, symbol, place);
    scanner.position = end;
    return this.search(token);
  }

  private comparison(start: number, property: Property, operator: CompareOperator, place: number): Rule {
    this.placed(place, () => checkOperator(property, operator));
    const { token, value } = this.value(property);
    this.bareValueEnd = token.quoted ? -1 : this.scanner.position;
    this.count(start);
    return this.placed(token.position, () => makeCompare(property, operator, value, this.names.catalogue));
  }

  private value(property: Property): { token: Token; value: RuleValue } {
    const { scanner } = this;
    scanner.skip();
    const dialled = property.type === 'phone' ? scanner.takePhone() : undefined;
    const token = dialled ?? scanner.takeQuoted() ?? scanner.takeWord();
    if (!token || (!token.quoted && RESERVED.test(token.raw))) {
      const position = token?.position ?? scanner.position;
      throw expected(['a value', 'a text in quotes'], 'A value is missing here.', position);
    }
    return { token, value: valueOf(property, token) };
  }

  private list(start: number, property: Property): Rule {
    const values: RuleValue[] = [];
    const first = this.scanner.position;
    do {
      const { token, value } = this.value(property);
      this.placed(token.position, () => makeIn(property, [value], this.names.catalogue));
      values.push(value);
    } while (this.scanner.takeChar(','));
    if (!this.scanner.takeChar(')')) {
      this.scanner.skip();
      throw expected(
        [',', ')'],
        'The list goes on with a comma or ends with a bracket.',
        this.scanner.position,
      );
    }
    this.count(start);
    return this.placed(first, () => makeIn(property, values, this.names.catalogue));
  }
}

function operators(property: Property): string[] {
  return [...operatorsOf(property.type), 'in'];
}

/** Only a property of unknown type takes the type of a bare value from its spelling. */
function valueOf(property: Property, token: Token): RuleValue {
  if (property.type !== 'any' || token.quoted) return token.raw;
  if (NUMBER.test(token.raw)) return Number(token.raw);
  return token.raw === 'true' || token.raw === 'false' ? token.raw === 'true' : token.raw;
}

function tooLong(): RuleFault {
  const what = [`at most ${LENGTH_MAX} characters`];
  return new RuleFault('rule:too_long', what, `The rule is longer than ${LENGTH_MAX} characters.`);
}

function tooMany(position: number): RuleFault {
  const what = [`at most ${CONDITIONS_MAX} conditions`];
  return new RuleFault('rule:too_many_conditions', what, 'The rule has too many conditions.', position);
}

/**
 * Holds a finished rule to the limits under which its printed form can be read again: a day compared with a time has
 * become two conditions by then. Throws RuleFault.
 */
export function checkLimits(rule: Rule): Rule {
  if (depthOf(rule) > DEPTH_MAX) {
    throw new RuleFault('rule:too_deep', [`at most ${DEPTH_MAX} levels`], 'The rule is nested too deeply.');
  }
  if (conditionsOf(rule).length > CONDITIONS_MAX) throw tooMany(0);
  if (printRule(rule).length > LENGTH_MAX) throw tooLong();
  return rule;
}

function readText(text: string, names: Names): ParsedRule {
  try {
    if (text.length > LENGTH_MAX) throw tooLong();
    return { ok: true, rule: checkLimits(new RuleReader(new Scanner(text), names).read()) };
  } catch (fault) {
    if (fault instanceof RuleFault) return { ok: false, error: fault.toError() };
    throw fault;
  }
}

/**
 * Reads the text form of a rule for one account. Names of fields and groups become keys and ids, values take the one
 * spelling under which they are stored, so that equal rules are equal objects. A wrong rule is an answer with the
 * place and what was expected there, never an exception. An empty text is the rule that is true.
 */
export function parseRule(text: string, catalogue: FieldCatalogue): ParsedRule {
  return readText(text, { catalogue, find: (name) => findProperty(catalogue, name) });
}

const NO_CATALOGUE: FieldCatalogue = { fields: [], groups: [] };

/**
 * Reads what printRule wrote without a catalogue, so that a stored rule stays readable when a field, a choice or a
 * group it names has gone since: such a condition then simply finds nothing.
 */
export function readPrintedRule(text: string): ParsedRule {
  const find = (name: string): Property => {
    const builtIn = BUILT_IN_PROPERTIES.find((property) => property.key === name);
    return builtIn && builtIn.type !== 'group' ? builtIn : { key: name, type: 'any' };
  };
  return readText(text, { catalogue: NO_CATALOGUE, find });
}
