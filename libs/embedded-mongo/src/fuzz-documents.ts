import { Decimal128, Long, ObjectId } from 'bson';
import type { Document } from './bson-types.js';

/** Numbers from a seed, the same on every machine (mulberry32). */
export class Dice {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

const texts = ['', 'a', 'ab', 'abc', 'b', 'é', 'ab\0c', 'a\u{1F600}', 'a\uffee'];

/** A value that is neither an array nor a document; few different ones, so that documents share them. */
export function randomScalar(dice: Dice): unknown {
  switch (dice.below(12)) {
    case 0:
    case 1:
    case 2:
      return dice.below(5);
    case 3:
      return dice.below(5) + 0.5;
    case 4:
    case 5:
    case 6:
      return dice.pick(texts);
    case 7:
      return null;
    case 8:
      return dice.chance(0.5);
    case 9:
      return new Date(dice.below(4));
    case 10:
      return new ObjectId(String(dice.below(4)).padStart(24, '0'));
    default:
      return dice.pick<() => unknown>([
        () => Long.fromNumber(dice.below(5)),
        () => Decimal128.fromString(`${dice.below(5)}`),
        () => NaN,
        () => -0,
        () => Infinity,
      ])();
  }
}

function randomValue(dice: Dice, depth: number): unknown {
  const kind = dice.next();
  if (depth < 3 && kind < 0.18)
    return Array.from({ length: dice.below(4) }, () => randomValue(dice, depth + 1));
  if (depth < 3 && kind < 0.36) return randomFields(dice, ['x', 'y', '0'], 0.6, depth + 1);
  return randomScalar(dice);
}

function randomFields(dice: Dice, names: readonly string[], share: number, depth: number): Document {
  const fields: Document = {};
  for (const name of names) if (dice.chance(share)) fields[name] = randomValue(dice, depth);
  return fields;
}

const rareNumbers = [NaN, null, -0, 2.5, Long.fromNumber(3), Decimal128.fromString('1'), Infinity];

/**
 * The body of a document, without `_id`. No array ever stands in `s` and `n`, so their indexes stay single-
 * valued.
 */
export function randomBody(dice: Dice): Document {
  const body = randomFields(dice, ['a', 'b', 'c'], 0.8, 0);
  if (dice.chance(0.9)) body['s'] = dice.chance(0.1) ? null : dice.pick(texts);
  if (dice.chance(0.9)) body['n'] = dice.chance(0.2) ? dice.pick(rareNumbers) : dice.below(6);
  return body;
}

const paths = ['a', 'b', 'c', 's', 'n', 'a.x', 'a.y', 'b.y', 'a.0', 'b.0.x', 'c.x.y', '_id'];

function randomCondition(dice: Dice): unknown {
  const value = randomScalar(dice);
  return dice.pick<() => unknown>([
    () => value,
    () => value,
    () => randomValue(dice, 1),
    () => ({ $gt: value }),
    () => ({ $lt: value }),
    () => ({ $gte: value, $lt: randomScalar(dice) }),
    () => ({ $gt: dice.below(3), $lte: dice.below(6) }),
    () => ({ $in: [randomScalar(dice), randomScalar(dice), value] }),
    () => ({ $in: [/^a/, value] }),
    () => ({ $ne: value }),
    () => ({ $exists: dice.chance(0.5) }),
    () => ({ $lte: value, $ne: randomScalar(dice) }),
    () => /^ab?/,
    () => ({ $regex: '^a', $options: dice.pick(['', 'i']) }),
    () => ({ $not: { $gt: value } }),
    () => ({ $elemMatch: { $gte: value, $lt: randomScalar(dice) } }),
    () => ({ $elemMatch: { [dice.pick(['x', 'y', '0'])]: value } }),
    () => ({ $nin: [value, null] }),
    () => ({ $type: dice.pick(['string', 'number', 'array', 'object', 'null']) }),
    () => ({ $all: [value, randomScalar(dice)] }),
    () => ({ $size: dice.below(3) }),
  ])();
}

/** A filter of one to three conditions, sometimes with a disjunction. */
export function randomFilter(dice: Dice): Document {
  if (dice.chance(0.15)) return { n: randomCondition(dice), s: randomCondition(dice) };
  if (dice.chance(0.15)) return { [dice.pick(['n', 's'])]: randomCondition(dice) };
  const filter: Document = {};
  const condition = (): Document => {
    const path = dice.pick(paths);
    return { [path]: path === '_id' ? randomIdCondition(dice) : randomCondition(dice) };
  };
  for (let i = dice.below(3); i >= 0; i--) Object.assign(filter, condition());
  if (dice.chance(0.2)) filter['$or'] = [condition(), { ...condition(), ...condition() }];
  if (dice.chance(0.05)) filter['$nor'] = [condition()];
  if (dice.chance(0.05)) filter['$and'] = [condition(), condition()];
  return filter;
}

const randomIdCondition = (dice: Dice): unknown =>
  dice.pick<() => unknown>([
    () => dice.below(150),
    () => ({ $in: Array.from({ length: 5 }, () => dice.below(200)) }),
    () => ({ $gt: dice.below(150) }),
    () => ({ $lt: dice.below(150), $gte: 20 }),
  ])();

/** A sort order, or none. */
export function randomSort(dice: Dice): Document | undefined {
  if (dice.chance(0.4)) return undefined;
  const sort: Document = {};
  for (let i = dice.below(3); i >= 0; i--)
    sort[dice.pick(['a', 'b', 'c', 's', 'n', 'a.x', '_id'])] = dice.pick([1, -1]);
  return sort;
}

const indexKeys: readonly Document[] = [
  { a: 1 },
  { b: -1 },
  { a: 1, b: -1 },
  { 'a.x': 1, c: 1 },
  { c: -1, a: 1 },
  { 'b.y': 1, 'b.0.x': -1 },
  { 'a.0': 1 },
  { s: 1, n: -1 },
  { n: 1, s: 1, a: 1 },
  { n: 1, a: 1, s: -1 },
  { s: -1, _id: 1 },
  { 'a.x': -1, 'a.y': 1, n: 1 },
];

const partials: readonly Document[] = [
  { n: { $gt: 2 } },
  { a: { $exists: true } },
  { s: 'a' },
  { n: { $in: [1, 2, 3] }, s: { $gte: 'a' } },
];

/** Index specifications for one round. */
export function randomIndexes(dice: Dice): Document[] {
  return indexKeys
    .filter(() => dice.chance(0.45))
    .map((key, i) => {
      const spec: Document = { key, name: `index${i}` };
      const kind = dice.next();
      if (kind < 0.2) spec['partialFilterExpression'] = dice.pick(partials);
      else if (kind < 0.36) spec['sparse'] = true;
      return spec;
    });
}
