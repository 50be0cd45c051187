import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Document } from './bson-types.js';
import type { CollectionInfo } from './catalog.js';
import { CollectionWriter } from './collection-writer.js';
import { decode, encode } from './document-bytes.js';
import { Engine } from './engine.js';
import { CommandError } from './errors.js';
import { Dice, randomBody, randomFilter, randomIndexes, randomScalar, randomSort } from './fuzz-documents.js';
import { entriesOfAll } from './fuzz-entries.js';
import { parseIndexSpec } from './index-definition.js';
import { compileFilter } from './match.js';
import { PlannedQuery, type Query } from './query.js';
import { compileSort } from './sort.js';
import type { Transaction } from './write-queue.js';

const DOCUMENTS = 150;
const QUERIES_PER_ROUND = 150;
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, Date.now() >>> 0];

/** One collection with random documents and indexes, and the same documents in a plain map. */
class World {
  readonly model = new Map<number, Document>();
  collection!: CollectionInfo;

  constructor(
    readonly engine: Engine,
    readonly dice: Dice,
  ) {}

  async fill(): Promise<void> {
    const { dice } = this;
    const early = randomIndexes(dice);
    const late = early.splice(dice.below(early.length + 1));
    await this.addIndexes(early);
    await this.write((writer) => {
      for (let id = 0; id < DOCUMENTS; id++) {
        const document = { _id: id, ...randomBody(dice) };
        if (accepts(() => writer.insert(encode(document)))) this.model.set(id, decode(encode(document)));
      }
    });
    await this.addIndexes(late);
  }

  async change(): Promise<void> {
    const { dice } = this;
    await this.write((writer) => {
      for (let i = 0; i < 30; i++) {
        const id = dice.pick([...this.model.keys()]);
        const { n, before } = this.stored(id);
        if (dice.chance(0.1)) {
          writer.remove(n, before);
          this.model.delete(id);
          continue;
        }
        const after: Document = dice.chance(0.5)
          ? { _id: id, ...randomBody(dice) }
          : { ...before, [dice.pick(['a', 'b', 's'])]: randomScalar(dice) };
        if (accepts(() => writer.replace(n, before, after))) this.model.set(id, decode(encode(after)));
      }
    });
  }

  stored(id: number): { n: number; before: Document } {
    const found = this.run({ filter: { _id: id } }, 'writer');
    return { n: found[0]!.n, before: found[0]!.document };
  }

  run(query: Query, connection: 'reader' | 'writer' = 'reader'): { n: number; document: Document }[] {
    const planned = new PlannedQuery(this.engine.store[connection], this.collection, query);
    const found: { n: number; document: Document }[] = [];
    for (const row of planned.rows())
      if (row !== undefined) found.push({ n: row.n, document: decode(row.raw) });
    return found;
  }

  planOf(query: Query): PlannedQuery {
    return new PlannedQuery(this.engine.store.reader, this.collection, query);
  }

  private write(run: (writer: CollectionWriter, transaction: Transaction) => void): Promise<void> {
    const { catalog, store } = this.engine;
    return this.engine.writes.submit((transaction) => {
      this.collection = catalog.ensure('fuzz.documents', transaction);
      run(new CollectionWriter(catalog, store.writer, transaction, this.collection), transaction);
    });
  }

  /**
   * Indexes built over documents may meet parallel arrays; such an index is left out, as the command would.
   */
  private async addIndexes(specs: readonly Document[]): Promise<void> {
    const { catalog, store } = this.engine;
    for (const spec of specs) {
      const build = this.write((before, transaction) => {
        const index = catalog.addIndex(before.collection, parseIndexSpec(spec), transaction);
        const writer = new CollectionWriter(catalog, store.writer, transaction, before.collection);
        const documents = store.writer.table(before.collection.id).page(undefined, false, 1000);
        for (const [n, raw] of documents) writer.addToIndex(index, n, raw);
      });
      await build.catch(onlyRefusals);
    }
  }
}

function onlyRefusals(error: unknown): void {
  if (!(error instanceof CommandError)) throw error;
}

/** Runs a write; false when it was refused for what an index cannot hold. */
function accepts(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (error instanceof CommandError && error.code === 171) return false;
    throw error;
  }
}

const idsOf = (documents: readonly Document[]): number[] =>
  documents.map((document) => document['_id'] as number).sort((a, b) => a - b);

/** Asks the same question of the plan, of a scan without indexes, and of the plain matcher. */
function checkQuery(world: World, query: Query, seed: number): boolean {
  const shown = `seed ${seed}: ${JSON.stringify(query)}`;
  const matches = compileFilter(query.filter);
  const expected = [...world.model.values()].filter((document) => matches(document));
  const found = world.run(query).map(({ document }) => document);
  expect(idsOf(found), `${shown} found`).toEqual(idsOf(expected));
  const scanned = world.run({ ...query, sort: undefined, hint: { $natural: 1 } });
  expect(idsOf(scanned.map(({ document }) => document)), `${shown} without index`).toEqual(idsOf(expected));
  const planned = world.planOf({ filter: query.filter });
  const counts = [...planned.count()].filter((step) => step !== undefined);
  expect(counts.at(-1), `${shown} count`).toBe(expected.length);
  if (query.sort !== undefined) checkOrder(world, query, found, expected, shown);
  const { access } = world.planOf(query).plan;
  return access.kind === 'index' || access.kind === 'union';
}

function checkOrder(
  world: World,
  query: Query,
  found: Document[],
  expected: Document[],
  shown: string,
): void {
  const compare = compileSort(query.sort!);
  for (let i = 1; i < found.length; i++) {
    expect(compare(found[i - 1]!, found[i]!), `${shown} order at ${i}`).toBeLessThanOrEqual(0);
  }
  const skip = world.dice.below(5);
  const limit = 1 + world.dice.below(20);
  const page = world.run({ ...query, skip, limit }).map(({ document }) => document);
  const reference = expected.toSorted(compare).slice(skip, skip + limit);
  expect(page.length, `${shown} page`).toBe(reference.length);
  page.forEach((document, i) => expect(compare(document, reference[i]!), `${shown} page at ${i}`).toBe(0));
}

describe('a query answers the same with indexes, without them, and by the plain matcher', () => {
  let engine: Engine;

  beforeEach(() => {
    engine = new Engine({ dataDir: ':memory:', sync: 'normal' });
  });
  afterEach(() => engine.close());

  it.each(seeds)('over random documents, indexes and updates of seed %i', async (seed) => {
    const world = new World(engine, new Dice(seed));
    await world.fill();
    let throughIndex = 0;
    for (let i = 0; i < QUERIES_PER_ROUND; i++) {
      if (i % 30 === 29) await world.change();
      const query = { filter: randomFilter(world.dice), sort: randomSort(world.dice) };
      if (checkQuery(world, query, seed)) throughIndex++;
    }
    const { stored, wanted } = entriesOfAll(engine, world.collection);
    expect(stored, `seed ${seed}: entries`).toEqual(wanted);
    expect(throughIndex, 'queries that an index served').toBeGreaterThan(QUERIES_PER_ROUND / 20);
  });
});
