import { encodeKey, encodeStringPrefix, invertBytes, keyAfterPrefix, typeRange } from './bson-order.js';
import { rankOf, TypeRank } from './bson-types.js';
import { AFTER_ALL_KEYS, type KeyRange } from './connection.js';
import type { FieldFilter, Filter } from './match-types.js';
import { isIndex } from './path.js';

/** The keys that one condition on one path can match: disjoint ranges in ascending order. */
export interface Bounds {
  ranges: readonly KeyRange[];
  /** Every range holds a single value. */
  points: boolean;
  /** A single-valued field whose key lies in the ranges matches; the document need not be looked at. */
  exact: boolean;
}

/** The conditions that a filter lays on paths, as far as they bound index keys. */
export interface FilterBounds {
  byPath: ReadonlyMap<string, readonly Bounds[]>;
  /** Some condition is not in `byPath`, so documents must be tested in any case. */
  residual: boolean;
}

const exactRanks = new Set<number>([
  TypeRank.string,
  TypeRank.boolean,
  TypeRank.objectId,
  TypeRank.date,
  TypeRank.number,
]);

const after = (key: Buffer): Buffer => keyAfterPrefix(key) ?? AFTER_ALL_KEYS;

const isExact = (value: unknown): boolean =>
  exactRanks.has(rankOf(value)) && !(typeof value === 'object' && rankOf(value) === TypeRank.number);

function pointRange(value: unknown): KeyRange {
  const from = encodeKey(value);
  return { from, to: after(from) };
}

/** The conditions of a conjunction, those inside nested conjunctions too. */
export function conjunctsOf(filter: Filter): readonly Filter[] {
  return filter.kind === 'and' ? filter.children.flatMap(conjunctsOf) : [filter];
}

/** Reads the bounds out of the conditions of a conjunction. */
export function boundsOf(conjuncts: readonly Filter[]): FilterBounds {
  const byPath = new Map<string, Bounds[]>();
  let residual = false;
  const add = (path: string, bounds: Bounds): void => {
    const list = byPath.get(path);
    if (list === undefined) byPath.set(path, [bounds]);
    else list.push(bounds);
  };
  for (const condition of conjuncts) {
    if (condition.kind !== 'field') {
      residual = true;
    } else if (condition.op === '$elemMatch') {
      residual = true;
      addElementBounds(condition, add);
    } else {
      const bounds = fieldBounds(condition);
      if (bounds === undefined) residual = true;
      else add(condition.path, bounds);
    }
  }
  return { byPath, residual };
}

/** One element has to meet all conditions, so each of them also bounds the entries of the array. */
function addElementBounds(
  condition: FieldFilter & { op: '$elemMatch' },
  add: (path: string, bounds: Bounds) => void,
): void {
  for (const inner of conjunctsOf(condition.child)) {
    if (inner.kind !== 'field' || inner.op === '$elemMatch') continue;
    const isValue = condition.element === 'value';
    if (!isValue && isIndex(inner.path.split('.')[0]!)) continue;
    const bounds = fieldBounds(inner);
    // Null also stands for "missing" here, and an index has no entry for what an element lacks in another
    // one.
    if (bounds !== undefined) add(isValue ? condition.path : `${condition.path}.${inner.path}`, bounds);
  }
}

function fieldBounds(condition: FieldFilter): Bounds | undefined {
  switch (condition.op) {
    case '$eq':
      if (Array.isArray(condition.value)) return undefined;
      return { ranges: [pointRange(condition.value)], points: true, exact: isExact(condition.value) };
    case '$in':
      return inBounds(condition.values, condition.regexes);
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return rangeBounds(condition.op, condition.value);
    case '$regex': {
      const { prefix } = condition.regex;
      if (prefix === undefined) return undefined;
      const ranges = [prefixRange(prefix), pointRange(condition.value)];
      return { ranges: disjoint(ranges), points: false, exact: false };
    }
    default:
      return undefined;
  }
}

function prefixRange(prefix: string): KeyRange {
  const from = encodeStringPrefix(prefix);
  return { from, to: after(from) };
}

function inBounds(
  values: readonly unknown[],
  regexes: readonly { readonly prefix: string | undefined }[],
): Bounds | undefined {
  if (values.some((value) => Array.isArray(value))) return undefined;
  if (regexes.some((regex) => regex.prefix === undefined)) return undefined;
  const ranges = [...values.map(pointRange), ...regexes.map((regex) => prefixRange(regex.prefix!))];
  const points = regexes.length === 0;
  return { ranges: disjoint(ranges), points, exact: points && values.every(isExact) };
}

function rangeBounds(op: '$gt' | '$gte' | '$lt' | '$lte', value: unknown): Bounds | undefined {
  const rank = rankOf(value);
  if (rank === TypeRank.array || rank === TypeRank.minKey || rank === TypeRank.maxKey) return undefined;
  if (rank === TypeRank.null) return { ranges: [pointRange(null)], points: true, exact: false };
  const key = encodeKey(value);
  const { low, high } = typeRange(value);
  if (rank === TypeRank.number) {
    const nan = pointRange(NaN);
    // NaN is in order with nothing but itself, yet its key is the smallest of the numbers.
    if (key.equals(nan.from)) return { ranges: [nan], points: true, exact: false };
    const from = op === '$gt' ? after(key) : op === '$gte' ? key : nan.to;
    const to = op === '$lt' ? key : op === '$lte' ? after(key) : high;
    return { ranges: nonEmpty({ from, to }), points: false, exact: isExact(value) };
  }
  const from = op === '$gt' ? after(key) : op === '$gte' ? key : low;
  const to = op === '$lt' ? key : op === '$lte' ? after(key) : high;
  return { ranges: nonEmpty({ from, to }), points: false, exact: isExact(value) };
}

const nonEmpty = (range: KeyRange): KeyRange[] => (Buffer.compare(range.from, range.to) < 0 ? [range] : []);

/** Sorts ranges and joins those that touch, so that no key is read twice. */
function disjoint(ranges: readonly KeyRange[]): KeyRange[] {
  const sorted = ranges.toSorted((a, b) => Buffer.compare(a.from, b.from));
  const out: KeyRange[] = [];
  for (const range of sorted) {
    const last = out.at(-1);
    if (last !== undefined && Buffer.compare(range.from, last.to) < 0) {
      if (Buffer.compare(range.to, last.to) > 0) out[out.length - 1] = { from: last.from, to: range.to };
    } else out.push(range);
  }
  return out;
}

/** What is common to several conditions on a path that holds a single value. */
export function intersect(all: readonly Bounds[]): Bounds {
  return all.reduce((a, b) => {
    const ranges: KeyRange[] = [];
    for (const x of a.ranges) {
      for (const y of b.ranges) {
        const from = Buffer.compare(x.from, y.from) > 0 ? x.from : y.from;
        const to = Buffer.compare(x.to, y.to) < 0 ? x.to : y.to;
        ranges.push(...nonEmpty({ from, to }));
      }
    }
    return { ranges, points: a.points || b.points, exact: a.exact && b.exact };
  });
}

/**
 * The most telling of several conditions: values of an array may each meet another one, so only one may be
 * used.
 */
export function narrowest(all: readonly Bounds[]): Bounds {
  return all.reduce((best, each) => {
    if (each.points !== best.points) return each.points ? each : best;
    if (each.points) return each.ranges.length < best.ranges.length ? each : best;
    return best;
  });
}

/** The same ranges in the byte order of a descending index field. */
export function descending(ranges: readonly KeyRange[]): KeyRange[] {
  return ranges
    .map(({ from, to }) => ({ from: after(invertBytes(to)), to: after(invertBytes(from)) }))
    .toReversed();
}

/** Puts the ranges of one more field behind every prefix. */
export function extend(prefixes: readonly Buffer[], ranges: readonly KeyRange[]): KeyRange[] {
  return prefixes.flatMap((prefix) =>
    ranges.map(({ from, to }) => ({ from: Buffer.concat([prefix, from]), to: Buffer.concat([prefix, to]) })),
  );
}

/** The range of all keys that begin with a prefix. */
export const rangeOfPrefix = (prefix: Buffer): KeyRange => ({
  from: prefix,
  to: prefix.length === 0 ? AFTER_ALL_KEYS : after(prefix),
});
