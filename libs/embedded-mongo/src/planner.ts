import { encodeKey, invertBytes } from './bson-order.js';
import type { Document } from './bson-types.js';
import {
  type Bounds,
  boundsOf,
  conjunctsOf,
  descending,
  extend,
  intersect,
  narrowest,
  rangeOfPrefix,
} from './bounds.js';
import type { CollectionInfo } from './catalog.js';
import type { Connection, KeyRange } from './connection.js';
import { badValue, CommandError } from './errors.js';
import { type IndexField, IndexInfo, sameKeyPattern } from './index-definition.js';
import { type Filter, parseFilter } from './match.js';
import { implies } from './partial-index.js';
import { type Access, entryTable } from './scan.js';

/** How a query will be answered. */
export interface Plan {
  access: Access;
  /** The access path leads to matching documents only. */
  exact: boolean;
  /** The access path has the order that was asked for (or none was). */
  sorted: boolean;
}

/** What a plan is made for. */
export interface PlanRequest {
  filter: Filter;
  sort?: Document;
  skip?: number;
  limit?: number;
  hint?: unknown;
}

/** The most key combinations that one plan may look up. */
const MAX_RANGES = 4000;
/** Estimates count no further than this many entries in one index. */
const ESTIMATE_CAP = 2000;

interface Draft extends Plan {
  estimate: number;
  /** The paths whose conditions bound the access; plans with the same ones reach the same documents. */
  bounds: string;
}

/** Chooses how to reach the documents of a query. */
export function planQuery(connection: Connection, collection: CollectionInfo, request: PlanRequest): Plan {
  const sort =
    request.sort === undefined || Object.keys(request.sort).length === 0 ? undefined : request.sort;
  const natural = sort?.['$natural'] ?? hintedNatural(request.hint);
  if (natural !== undefined) {
    const onlyNatural = sort === undefined || '$natural' in sort;
    return {
      access: { kind: 'collection', reverse: Number(natural) < 0 },
      exact: matchesAll(request.filter),
      sorted: onlyNatural,
    };
  }
  return new Planner(connection, collection, { ...request, sort }).choose();
}

const hintedNatural = (hint: unknown): unknown =>
  typeof hint === 'object' && hint !== null ? (hint as Document)['$natural'] : undefined;

const matchesAll = (filter: Filter): boolean => filter.kind === 'and' && filter.children.length === 0;

class Planner {
  private readonly conjuncts: readonly Filter[];
  private readonly hinted: IndexInfo | '_id_' | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly collection: CollectionInfo,
    private readonly request: PlanRequest,
  ) {
    this.conjuncts = conjunctsOf(request.filter);
    this.hinted = request.hint === undefined ? undefined : this.hintedIndex(request.hint);
  }

  choose(): Plan {
    const point = this.hinted === undefined ? this.idPoint() : undefined;
    if (point !== undefined) return point;
    const { byPath, residual } = boundsOf(this.conjuncts);
    const sole = this.hinted === undefined ? this.idLookup(byPath, residual) : undefined;
    if (sole !== undefined) return sole;
    const drafts: Draft[] = [];
    for (const index of [undefined, ...this.usableIndexes()]) {
      const draft = this.draft(index, byPath, residual);
      if (draft !== undefined) drafts.push(draft);
    }
    if (this.hinted === undefined) {
      const union = this.union();
      if (union !== undefined) drafts.push(union);
    }
    if (drafts.length === 0) return this.collectionScan();
    if (drafts.length === 1) return drafts[0]!;
    return this.cheapest(drafts);
  }

  private hintedIndex(hint: unknown): IndexInfo | '_id_' {
    const isName = typeof hint === 'string';
    if (isName ? hint === '_id_' : sameKeyPattern(hint as Document, { _id: 1 })) return '_id_';
    const found = this.collection.indexes.find((index) =>
      isName ? index.name === hint : sameKeyPattern(index.key, hint as Document),
    );
    if (found === undefined || !found.ready) {
      throw badValue(
        `error processing query: ns=${this.collection.ns} planner returned error :: caused by :: ` +
          'hint provided does not correspond to an existing index',
      );
    }
    return found;
  }

  private usableIndexes(): IndexInfo[] {
    return this.collection.indexes.filter((index) => {
      if (!index.ready || (this.hinted !== undefined && this.hinted !== index)) return false;
      if (index.partial === undefined || implies(this.conjuncts, parseFilter(index.partial))) return true;
      if (this.hinted !== index) return false;
      throw new CommandError(
        291,
        'NoQueryExecutionPlans',
        `error processing query: ns=${this.collection.ns} planner returned error :: caused by :: ` +
          'the hinted partial index does not hold every document that the filter asks for',
      );
    });
  }

  /** `_id` equal to one value: the commonest query of all, planned without looking at anything else. */
  private idPoint(): Plan | undefined {
    for (const condition of this.conjuncts) {
      if (condition.kind !== 'field' || condition.op !== '$eq' || condition.path !== '_id') continue;
      if (Array.isArray(condition.value)) return undefined;
      const exact = this.conjuncts.length === 1 && typeof condition.value === 'string';
      return { access: { kind: 'ids', keys: [encodeKey(condition.value)] }, exact, sorted: true };
    }
    return undefined;
  }

  /** `_id` equal to one value or one of some: always the best there is, so nothing else is looked at. */
  private idLookup(byPath: ReadonlyMap<string, readonly Bounds[]>, residual: boolean): Plan | undefined {
    const onId = byPath.get('_id');
    const points = onId?.filter((bounds) => bounds.points);
    if (points === undefined || points.length === 0) return undefined;
    const bounds = intersect(points);
    const { sort } = this.request;
    const keys = bounds.ranges.map((range) => range.from);
    const byId = sort !== undefined && Object.keys(sort)[0] === '_id';
    const descends = byId && Number(sort['_id']) < 0;
    return {
      access: { kind: 'ids', keys: descends ? keys.toReversed() : keys },
      exact: !residual && byPath.size === 1 && points.length === onId!.length && bounds.exact,
      sorted: sort === undefined || keys.length <= 1 || byId,
    };
  }

  private draft(
    index: IndexInfo | undefined,
    byPath: ReadonlyMap<string, readonly Bounds[]>,
    residual: boolean,
  ): Draft | undefined {
    if (this.hinted !== undefined && this.hinted !== (index ?? '_id_')) return undefined;
    const fields = index?.fields ?? idFields;
    const used = new IndexUse(index, fields, byPath);
    if (index?.sparse && this.hinted === undefined && !used.leavesOutMissing) return undefined;
    const order = this.orderOf(index, fields, used);
    if (used.bounded === 0 && !order.sorted && this.hinted === undefined) return undefined;
    if (used.bounded === 0 && this.request.sort === undefined && this.hinted === undefined) return undefined;
    const ranges = used.ranges();
    const exact = !residual && used.exact(byPath);
    const access: Access =
      ranges.length === 0
        ? { kind: 'nothing' }
        : { kind: 'index', index, ranges, reverse: order.reverse, repeats: used.repeats };
    return { access, exact, sorted: order.sorted, estimate: Infinity, bounds: used.paths };
  }

  /** Whether walking the ranges delivers the order that was asked for, and in which direction. */
  private orderOf(
    index: IndexInfo | undefined,
    fields: readonly IndexField[],
    used: IndexUse,
  ): { sorted: boolean; reverse: boolean } {
    const { sort } = this.request;
    if (sort === undefined) return { sorted: true, reverse: false };
    if (used.combinations !== 1) return { sorted: false, reverse: false };
    let at = 0;
    let direction = 0;
    for (const [path, asked] of Object.entries(sort)) {
      if (typeof asked === 'object') return { sorted: false, reverse: false };
      if (used.isConstant(path)) continue;
      while (at < fields.length && used.isConstant(fields[at]!.path) && fields[at]!.path !== path) at++;
      const field = fields[at];
      if (field === undefined || field.path !== path || index?.isMultikeyAt(at))
        return { sorted: false, reverse: false };
      const wanted = Number(asked) * field.direction < 0 ? -1 : 1;
      if (direction !== 0 && direction !== wanted) return { sorted: false, reverse: false };
      direction = wanted;
      at++;
    }
    return { sorted: true, reverse: direction < 0 };
  }

  /** A disjunction is answered by one index scan for each branch, when every branch has one. */
  private union(): Draft | undefined {
    const or = this.conjuncts.find((each) => each.kind === 'or' && each.children.length > 0);
    if (or === undefined || or.kind !== 'or' || or.children.length > 200) return undefined;
    const others = this.conjuncts.filter((each) => each !== or);
    const branches: Access[] = [];
    let estimate = 0;
    for (const child of or.children) {
      const filter: Filter = { kind: 'and', children: [child, ...others] };
      const { access } = new Planner(this.connection, this.collection, { filter }).choose();
      if (access.kind === 'collection') return undefined;
      branches.push(access);
      estimate += this.estimate(access);
    }
    return {
      access: { kind: 'union', branches },
      exact: false,
      sorted: this.request.sort === undefined,
      estimate,
      bounds: '$or',
    };
  }

  private collectionScan(): Plan {
    const empty = this.conjuncts.some((each) => each.kind === 'or' && each.children.length === 0);
    const { sort } = this.request;
    if (empty) return { access: { kind: 'nothing' }, exact: true, sorted: true };
    return {
      access: { kind: 'collection', reverse: false },
      exact: this.conjuncts.length === 0,
      sorted: sort === undefined,
    };
  }

  /**
   * Compares plans by the documents they will probably look at. The plan with the fewest candidates tells
   * how many
   * documents match at most; a plan that delivers the order may stop as soon as it has found the wanted
   * number.
   */
  private cheapest(drafts: readonly Draft[]): Plan {
    const { limit = 0, skip = 0 } = this.request;
    const known = new Map<string, number>();
    for (const draft of drafts) {
      if (draft.estimate === Infinity)
        draft.estimate = known.get(draft.bounds) ?? this.estimate(draft.access);
      known.set(draft.bounds, draft.estimate);
    }
    const matches = Math.max(1, Math.min(...drafts.map((draft) => draft.estimate)));
    const costOf = (draft: Draft): number => {
      const all = draft.estimate;
      if (!draft.sorted) return all * 1.3 + 1;
      if (limit === 0) return all;
      return Math.min(all, draft.exact ? skip + limit : ((skip + limit) * all) / matches);
    };
    return drafts.reduce((best, each) => (costOf(each) < costOf(best) ? each : best));
  }

  private estimate(access: Access): number {
    switch (access.kind) {
      case 'nothing':
        return 0;
      case 'ids':
        return access.keys.length;
      case 'union':
        return access.branches.reduce((sum, branch) => sum + this.estimate(branch), 0);
      case 'collection':
        return this.size();
      case 'index':
        return this.estimateEntries(access.index, access.ranges);
    }
  }

  private estimateEntries(index: IndexInfo | undefined, ranges: readonly KeyRange[]): number {
    const table = entryTable(this.connection, this.collection, index);
    const looked = ranges.slice(0, 20);
    let counted = 0;
    for (const range of looked) {
      counted += table.countUpTo(range, ESTIMATE_CAP - counted);
      if (counted >= ESTIMATE_CAP) return Math.max(ESTIMATE_CAP, this.size() / 4);
    }
    return (counted * ranges.length) / looked.length;
  }

  private size(): number {
    this.collection.count ??= this.connection.table(this.collection.id).count.get() ?? 0;
    return this.collection.count;
  }
}

const idFields: readonly IndexField[] = [{ path: '_id', parts: ['_id'], direction: 1 }];

/**
 * How the conditions of a filter narrow one index: points on its first fields, then at most one field of
 * ranges.
 */
class IndexUse {
  /** How many leading fields are bounded. */
  bounded = 0;
  /** How many combinations of leading points there are. */
  combinations = 1;
  /** One document may be met more than once. */
  readonly repeats: boolean;
  readonly leavesOutMissing: boolean;
  private readonly perField: Bounds[] = [];
  private readonly constants = new Set<string>();

  constructor(
    private readonly index: IndexInfo | undefined,
    private readonly fields: readonly IndexField[],
    byPath: ReadonlyMap<string, readonly Bounds[]>,
  ) {
    for (const [i, field] of fields.entries()) {
      const all = byPath.get(field.path);
      if (all === undefined) break;
      const multikey = index?.isMultikeyAt(i) ?? false;
      const bounds = multikey || all.length === 1 ? narrowest(all) : intersect(all);
      if (this.combinations * Math.max(1, bounds.ranges.length) > MAX_RANGES) break;
      this.perField.push(bounds);
      this.bounded++;
      if (!bounds.points) break;
      this.combinations *= bounds.ranges.length;
      if (bounds.ranges.length === 1 && !multikey) this.constants.add(field.path);
    }
    const single = this.perField.map((bounds) => bounds.points && bounds.ranges.length === 1);
    this.repeats = index !== undefined && fields.some((_, i) => index.isMultikeyAt(i) && single[i] !== true);
    this.leavesOutMissing = this.perField.some((bounds) => !reachesNull(bounds));
  }

  /** A field that has the same single value in everything the scan meets. */
  isConstant(path: string): boolean {
    return this.constants.has(path);
  }

  /** The names of the bounded fields. */
  get paths(): string {
    const names = this.fields.slice(0, this.bounded).map((field) => field.path);
    return names.sort().join('\0');
  }

  ranges(): KeyRange[] {
    let prefixes: Buffer[] = [Buffer.alloc(0)];
    for (const [i, bounds] of this.perField.entries()) {
      const down = this.fields[i]!.direction < 0;
      if (bounds.points) {
        const keys = bounds.ranges.map((range) => (down ? invertBytes(range.from) : range.from));
        prefixes = prefixes.flatMap((prefix) => keys.map((key) => Buffer.concat([prefix, key])));
      } else {
        return inOrder(extend(prefixes, down ? descending(bounds.ranges) : bounds.ranges));
      }
    }
    return inOrder(prefixes.map(rangeOfPrefix));
  }

  /**
   * Whether the ranges hold exactly the documents that meet all bounded conditions, and there are no
   * others.
   */
  exact(byPath: ReadonlyMap<string, readonly Bounds[]>): boolean {
    if (byPath.size !== this.bounded) return false;
    return this.perField.every((bounds, i) => {
      if (!bounds.exact) return false;
      const field = this.fields[i]!;
      if (!(this.index?.isMultikeyAt(i) ?? false)) return true;
      return byPath.get(field.path)!.length === 1 && field.parts.length === 1 && bounds.points;
    });
  }
}

const inOrder = (ranges: readonly KeyRange[]): KeyRange[] =>
  ranges.toSorted((a, b) => Buffer.compare(a.from, b.from));

const nullKey = 5;

function reachesNull(bounds: Bounds): boolean {
  return bounds.ranges.some(({ from, to }) => from.length === 0 || (from[0]! <= nullKey && to[0]! > nullKey));
}
