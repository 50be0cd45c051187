import type { Variables } from './aggregate-expressions.js';
import { encodeKey } from './bson-order.js';
import type { Document } from './bson-types.js';
import type { CollectionInfo } from './catalog.js';
import type { Connection, Row } from './connection.js';
import { decode, decodeFields } from './document-bytes.js';
import { fieldsOfFilter, topLevel } from './filter-fields.js';
import { compileFilter, compileParsed, type Filter, type Matcher, parseFilter } from './match.js';
import type { Paced } from './pacer.js';
import { type Plan, planQuery } from './planner.js';
import { candidates, countEntries, type ScanStats } from './scan.js';
import { compileSort, parseSort } from './sort.js';

/**
 * A query on one collection. Sort order, skip and limit are those of the find command; a limit of 0 means
 * none.
 */
export interface Query {
  filter: Document;
  sort?: Document;
  skip?: number;
  limit?: number;
  hint?: unknown;
  let?: Variables;
}

/** A query that was parsed, checked and planned. */
export class PlannedQuery {
  readonly plan: Plan;
  readonly stats: ScanStats = { keysExamined: 0, docsExamined: 0 };
  private readonly parsed: Filter;
  private readonly matches: Matcher;
  private readonly needs: ReadonlySet<string> | undefined;
  private readonly skip: number;
  private readonly limit: number;
  private readonly sort: Document | undefined;

  /** @throws what MongoDB rejects in a filter, a sort order or a hint */
  constructor(
    private readonly connection: Connection,
    private readonly collection: CollectionInfo,
    query: Query,
  ) {
    this.parsed = parseFilter(query.filter);
    this.matches = compileParsed(this.parsed, { let: query.let });
    this.sort = query.sort === undefined || Object.keys(query.sort).length === 0 ? undefined : query.sort;
    this.skip = query.skip ?? 0;
    this.limit = query.limit ?? 0;
    const { skip, limit, sort } = this;
    if (sort !== undefined && !Object.hasOwn(sort, '$natural')) parseSort(sort);
    this.plan = planQuery(connection, collection, {
      filter: this.parsed,
      sort,
      skip,
      limit,
      hint: query.hint,
    });
    this.needs = neededFields(query.filter, this.plan.sorted ? undefined : sort);
  }

  /** The matching documents in the order and number that was asked for. */
  *rows(): Paced<Row> {
    const rows = this.plan.sorted ? this.matching() : this.sorted();
    let toSkip = this.skip;
    let left = this.limit === 0 ? Infinity : this.limit;
    for (const row of rows) {
      if (row !== undefined) {
        if (toSkip > 0) {
          toSkip--;
          continue;
        }
        yield row;
        if (--left === 0) return;
      } else yield undefined;
    }
  }

  /** Counting this query reads index entries only. */
  get covered(): boolean {
    const { access, exact } = this.plan;
    return exact && access.kind === 'index' && !access.repeats;
  }

  /** How many documents match, with skip and limit taken into account. Pauses are passed on as undefined. */
  *count(): Paced<number> {
    const { access, exact } = this.plan;
    const most = this.limit === 0 ? Infinity : this.skip + this.limit;
    let counted = 0;
    const counts =
      exact && access.kind === 'index' && !access.repeats
        ? countEntries(this.connection, this.collection, access, this.stats)
        : this.countRows();
    for (const step of counts) {
      if (step === undefined) yield undefined;
      else counted += step;
      if (counted >= most) break;
    }
    yield Math.max(0, Math.min(counted, most) - this.skip);
  }

  private *countRows(): Paced<number> {
    for (const row of this.matching()) yield row === undefined ? undefined : 1;
  }

  private get want(): number {
    return this.plan.sorted && this.limit > 0
      ? (this.skip + this.limit) * (this.plan.exact ? 1 : 2)
      : Infinity;
  }

  private *matching(): Paced<Row> {
    const rows = candidates(this.connection, this.collection, this.plan.access, this.stats, this.want);
    if (this.plan.exact) {
      yield* rows;
      return;
    }
    for (const row of rows) {
      if (row === undefined || this.matches(this.view(row.raw))) yield row;
    }
  }

  /** The part of a document that filter and sort look at. */
  private view(raw: Buffer): Document {
    return this.needs === undefined ? decode(raw) : decodeFields(raw, this.needs);
  }

  private *sorted(): Paced<Row> {
    const sorter = new Sorter(compileSort(this.sort!), this.limit === 0 ? Infinity : this.skip + this.limit);
    const rows = candidates(this.connection, this.collection, this.plan.access, this.stats, Infinity);
    for (const row of rows) {
      if (row === undefined) {
        yield undefined;
        continue;
      }
      const view = this.view(row.raw);
      if (this.plan.exact || this.matches(view)) sorter.add(view, row);
    }
    for (const { n, raw } of sorter.finish()) {
      if (raw !== undefined) {
        yield { n, raw };
        continue;
      }
      const again = this.connection.table(this.collection.id).byRecord.get(n);
      if (again !== undefined && this.matches(this.view(again))) yield { n, raw: again };
    }
  }
}

/**
 * The match of a filter that demands one string as `_id`, which no plan can reach in a better way.
 * @returns undefined for every other filter; no row when the document is not there or fails another condition
 * @throws what MongoDB rejects in a filter
 */
export function findPinned(
  connection: Connection,
  collection: CollectionInfo,
  query: Pick<Query, 'filter' | 'let'>,
): { row: Row | undefined } | undefined {
  const { filter } = query;
  const id = Object.hasOwn(filter, '_id') ? filter['_id'] : undefined;
  if (typeof id !== 'string') return undefined;
  const conditions = Object.keys(filter).length - 1;
  const matches = conditions === 0 ? undefined : compileFilter(filter, { let: query.let });
  const found = connection.table(collection.id).byId.get(encodeKey(id));
  if (found === undefined) return { row: undefined };
  const row: Row = { n: found[0], raw: found[1] };
  if (matches === undefined) return { row };
  const needs = fieldsOfFilter(filter);
  const view = needs === undefined ? decode(row.raw) : decodeFields(row.raw, needs);
  return { row: matches(view) ? row : undefined };
}

function neededFields(filter: Document, sort: Document | undefined): ReadonlySet<string> | undefined {
  const names = fieldsOfFilter(filter);
  for (const path of Object.keys(sort ?? {})) names?.add(topLevel(path));
  return names;
}

interface SortItem {
  view: Document;
  n: number;
  raw: Buffer | undefined;
}

/** How many bytes of documents a sort keeps in memory; beyond it documents are read a second time. */
const SORT_BYTES = 64 * 1024 * 1024;

/** Sorts rows, keeping no more than the first `most`. */
class Sorter {
  private items: SortItem[] = [];
  private bytes = 0;

  constructor(
    private readonly compare: (a: Document, b: Document) => number,
    private readonly most: number,
  ) {}

  add(view: Document, row: Row): void {
    const keep = this.bytes <= SORT_BYTES;
    this.items.push({ view, n: row.n, raw: keep ? row.raw : undefined });
    if (keep) this.bytes += row.raw.length;
    if (this.items.length > 2 * this.most + 500) this.cut();
  }

  finish(): readonly SortItem[] {
    this.cut();
    return this.items;
  }

  private cut(): void {
    this.items.sort((a, b) => this.compare(a.view, b.view));
    if (this.items.length > this.most) this.items.length = this.most;
    this.bytes = this.items.reduce((sum, item) => sum + (item.raw?.length ?? 0), 0);
  }
}
