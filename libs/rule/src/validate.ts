import { type FieldCatalogue, findProperty } from './catalogue.js';
import { checkOperator, makeCompare, makeIn, makeSearch } from './conditions.js';
import { checkLimits, type ParsedRule } from './parse.js';
import type { Property } from './properties.js';
import { COMPARE_OPERATORS, type CompareOperator, CONDITIONS_MAX, DEPTH_MAX, LENGTH_MAX } from './rule.js';
import type { Rule, RuleValue } from './rule.js';
import { RuleFault } from './rule-error.js';

const KEYS: Readonly<Record<Rule['op'], readonly string[]>> = {
  and: ['op', 'rules'],
  or: ['op', 'rules'],
  not: ['op', 'rule'],
  compare: ['op', 'property', 'operator', 'value'],
  in: ['op', 'property', 'values'],
  has: ['op', 'property'],
  search: ['op', 'text'],
  true: ['op'],
};

function wrong(
  path: string,
  expected: string[],
  message = 'The JSON form of the rule has another shape.',
): RuleFault {
  return new RuleFault('rule:syntax', expected, message, 0, path);
}

function placed<Result>(path: string, make: () => Result): Result {
  try {
    return make();
  } catch (fault) {
    if (!(fault instanceof RuleFault)) throw fault;
    throw new RuleFault(fault.code, fault.expected, fault.message, 0, fault.path ?? path);
  }
}

const under = (path: string, step: string | number): string =>
  path === '' ? String(step) : `${path}.${step}`;

function isValue(value: unknown): value is RuleValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

/** Reads one JSON form; counts nodes, so that a huge document is left before it is walked. */
class JsonReader {
  private nodes = 0;

  constructor(private readonly catalogue: FieldCatalogue) {}

  read(json: unknown, path: string, level: number): Rule {
    this.nodes += 1;
    if (level > DEPTH_MAX + 1) {
      throw new RuleFault('rule:too_deep', [`at most ${DEPTH_MAX} levels`], 'Nested too deeply.', 0, path);
    }
    if (this.nodes > CONDITIONS_MAX * (DEPTH_MAX + 1)) {
      const what = [`at most ${CONDITIONS_MAX} conditions`];
      throw new RuleFault('rule:too_many_conditions', what, 'The rule has too many conditions.', 0, path);
    }
    const node = this.node(json, path);
    switch (node['op'] as Rule['op']) {
      case 'true':
        return { op: 'true' };
      case 'search':
        return placed(under(path, 'text'), () => makeSearch(this.text(node['text'], under(path, 'text'))));
      case 'not':
        return { op: 'not', rule: this.read(node['rule'], under(path, 'rule'), level + 1) };
      case 'and':
      case 'or':
        return this.joined(node, path, level);
      case 'has':
        return { op: 'has', property: this.property(node, path).key };
      case 'compare':
        return this.compare(node, path);
      case 'in':
        return this.list(node, path);
    }
  }

  private node(json: unknown, path: string): Record<string, unknown> {
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw wrong(path, ['an object with op']);
    const node = json as Record<string, unknown>;
    const op = node['op'];
    const keys = typeof op === 'string' && Object.hasOwn(KEYS, op) ? KEYS[op as Rule['op']] : undefined;
    if (!keys) throw wrong(under(path, 'op'), Object.keys(KEYS));
    const stray = Object.keys(node).find((key) => !keys.includes(key));
    if (stray !== undefined) throw wrong(under(path, stray), [...keys]);
    return node;
  }

  private text(value: unknown, path: string): string {
    if (typeof value === 'string' && value.length <= LENGTH_MAX) return value;
    throw wrong(path, ['a text']);
  }

  private property(node: Record<string, unknown>, path: string): Property {
    const place = under(path, 'property');
    const property = findProperty(this.catalogue, this.text(node['property'], place));
    if (property) return property;
    const names = this.catalogue.fields.map((field) => field.key);
    throw new RuleFault('rule:unknown_property', names, 'There is no property with this name.', 0, place);
  }

  private joined(node: Record<string, unknown>, path: string, level: number): Rule {
    const place = under(path, 'rules');
    const parts: unknown = node['rules'];
    if (!Array.isArray(parts) || parts.length === 0) throw wrong(place, ['a list of rules, not empty']);
    const rules = parts.map((part, index) => this.read(part, under(place, index), level + 1));
    const [only] = rules;
    return only && rules.length === 1 ? only : { op: node['op'] as 'and' | 'or', rules };
  }

  private compare(node: Record<string, unknown>, path: string): Rule {
    const property = this.property(node, path);
    const operator = node['operator'] as CompareOperator;
    if (!COMPARE_OPERATORS.includes(operator)) throw wrong(under(path, 'operator'), [...COMPARE_OPERATORS]);
    placed(under(path, 'operator'), () => checkOperator(property, operator));
    const value = node['value'];
    const place = under(path, 'value');
    if (!isValue(value)) throw wrong(place, ['a text, a number, true or false']);
    return placed(place, () => makeCompare(property, operator, value, this.catalogue));
  }

  private list(node: Record<string, unknown>, path: string): Rule {
    const property = this.property(node, path);
    const place = under(path, 'values');
    const values: unknown = node['values'];
    if (!Array.isArray(values) || !values.every(isValue)) throw wrong(place, ['a list of values']);
    return placed(place, () => makeIn(property, values, this.catalogue));
  }
}

/**
 * Checks the JSON form of a rule as parseRule checks the text form, and answers the same canonical rule; an error names
 * the place as `path`. Takes anything, never throws for what it is given.
 */
export function validateRule(json: unknown, catalogue: FieldCatalogue): ParsedRule {
  try {
    return { ok: true, rule: checkLimits(new JsonReader(catalogue).read(json, '', 0)) };
  } catch (fault) {
    if (fault instanceof RuleFault) return { ok: false, error: fault.toError() };
    throw fault;
  }
}
