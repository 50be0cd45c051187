import { Double } from 'bson';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Document } from './bson-types.js';
import { runCommand } from './commands/registry.js';
import { decode, encode } from './document-bytes.js';
import { Engine } from './engine.js';
import { Dice, randomBody, randomIndexes, randomScalar } from './fuzz-documents.js';
import { entriesOfAll } from './fuzz-entries.js';
import { wholeFieldsOf } from './update-bytes.js';

const IDS = 40;
const ROUNDS = 60;
const BATCH = 8;
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, Date.now() >>> 0];

/** Values that a decoder does not give back as they were: a whole double, and fields that numbers move to the front. */
const rare = [
  new Double(2),
  [new Double(2)],
  new Map<string, unknown>([
    ['x', 1],
    ['1', 1],
  ]),
];

/** Two collections with the same indexes: one is sent updates as bytes, the other as documents, which no quick way takes. */
class Twins {
  constructor(
    readonly engine: Engine,
    readonly dice: Dice,
  ) {}

  async run(command: Document, sequences: [string, Buffer[]][] = []): Promise<Document> {
    const request = { requestId: 1, command: { ...command, $db: 'd' }, sequences: new Map(sequences) };
    const reply = await runCommand(this.engine, { ...request, silent: false, legacy: false }, 1, (error) => {
      throw error;
    });
    return reply as Document;
  }

  async fill(): Promise<void> {
    const unique = { key: { u: 1 }, name: 'unique', unique: true, sparse: true };
    const indexes = [...randomIndexes(this.dice), unique];
    const documents = Array.from({ length: IDS / 2 }, (_, i) => ({ _id: `id${i}`, ...this.body() }));
    for (const name of ['bytes', 'documents']) {
      await this.run({ createIndexes: name, indexes });
      await this.run({ insert: name, ordered: false }, [['documents', documents.map(encode)]]);
    }
  }

  async update(statements: readonly Document[]): Promise<[Document, Document]> {
    const bytes = statements.map(encode);
    const rest = { ordered: false };
    return [
      await this.run({ update: 'bytes', ...rest }, [['updates', bytes]]),
      await this.run({ update: 'documents', ...rest, updates: bytes.map(decode) }),
    ];
  }

  stored(name: string): Buffer[] {
    const { catalog, store } = this.engine;
    const rows = store.reader.table(catalog.find(`d.${name}`)!.id).page(undefined, false, 1000);
    return rows.map(([, raw]) => raw);
  }

  statement(): Document {
    const { dice } = this;
    const id = `id${dice.below(IDS)}`;
    const statement: Document = { q: { _id: id, ...this.guard() }, u: this.updateOf(id) };
    if (dice.chance(0.7)) statement['upsert'] = dice.chance(0.8);
    if (dice.chance(0.1)) statement['multi'] = dice.chance(0.5);
    return statement;
  }

  private guard(): Document {
    const { dice } = this;
    return dice.pick<() => Document>([
      () => ({}),
      () => ({ n: { $lt: dice.below(7) } }),
      () => ({ n: dice.below(6) }),
      () => ({ s: { $exists: dice.chance(0.5) } }),
      () => ({ $or: [{ n: { $gt: dice.below(5) } }, { a: null }] }),
      () => ({ $and: [{ _id: `id${dice.below(IDS)}` }] }),
    ])();
  }

  private body(): Document {
    const body = randomBody(this.dice);
    if (this.dice.chance(0.4)) body['u'] = this.dice.below(IDS);
    return body;
  }

  private updateOf(id: string): Document {
    const { dice } = this;
    const fields = this.fields();
    if (dice.chance(0.2)) fields['_id'] = dice.chance(0.9) ? id : 'other';
    if (dice.chance(0.03)) fields[dice.pick(['a.x', '0', '$a', ''])] = randomScalar(dice);
    if (dice.chance(0.03)) fields['a'] = dice.pick(rare);
    if (dice.chance(0.05)) return { $set: fields, $inc: { extra: 1 } };
    return dice.chance(0.35) ? fields : { $set: fields };
  }

  /** Often the fields that are there, so that some updates change nothing or only the order. */
  private fields(): Document {
    const { dice } = this;
    const from = dice.chance(0.4) ? decode(dice.pick(this.stored('documents'))) : this.body();
    const share = dice.pick([0.7, 1]);
    const names = Object.keys(from).filter((name) => name !== '_id' && dice.chance(share));
    if (dice.chance(0.3)) names.reverse();
    return Object.fromEntries(names.map((name) => [name, from[name]]));
  }
}

describe('an update that is applied to bytes', () => {
  let engine: Engine;

  beforeEach(() => {
    engine = new Engine({ dataDir: ':memory:', sync: 'normal' });
  });
  afterEach(() => engine.close());

  it.each(seeds)('answers and stores what a decoded one does, with seed %i', async (seed) => {
    const twins = new Twins(engine, new Dice(seed));
    await twins.fill();
    let quick = 0;
    let done = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const statements = Array.from({ length: BATCH }, () => twins.statement());
      quick += statements.filter(({ u }) => wholeFieldsOf(encode(u as Document)) !== undefined).length;
      const [bytes, documents] = await twins.update(statements);
      expect(forTwin(bytes), `seed ${seed}, round ${round}`).toEqual(forTwin(documents));
      const [quickly, slowly] = [twins.stored('bytes'), twins.stored('documents')];
      expect(quickly.map(decode), `seed ${seed}, round ${round}`).toEqual(slowly.map(decode));
      expect(
        Buffer.concat(quickly).equals(Buffer.concat(slowly)),
        `seed ${seed}, round ${round}: bytes`,
      ).toBe(true);
      done += Number(bytes['nModified']);
    }
    const { stored, wanted } = entriesOfAll(engine, engine.catalog.find('d.bytes')!);
    expect(stored, `seed ${seed}: entries`).toEqual(wanted);
    expect(quick, 'updates of the quick form').toBeGreaterThan((ROUNDS * BATCH) / 2);
    expect(done, 'documents modified').toBeGreaterThan(ROUNDS);
  });
});

/** A reply without the name of the collection, which messages of duplicate keys mention. */
const forTwin = (reply: Document): unknown =>
  JSON.parse(JSON.stringify(reply).replaceAll(/d\.(bytes|documents)/g, 'd.twin'));
