import mongoose from 'mongoose';
import { beforeEach, expect, it } from 'vitest';
import type { Db } from './contract-targets.js';

/** Collections, indexes and the errors that services and Mongoose look at. */
export function describeCatalog(database: () => Db): void {
  const things = () => database().collection('things');

  beforeEach(async () => {
    await things().drop();
  });

  it('creates, lists and drops collections', async () => {
    await database().createCollection('things');
    await expect(database().createCollection('things', { comment: 'again' })).rejects.toMatchObject({
      code: 48,
    });
    const named = await database().listCollections({ name: 'things' }).toArray();
    expect(named).toMatchObject([{ name: 'things', type: 'collection', idIndex: { key: { _id: 1 } } }]);
    await things().drop();
    expect(await database().listCollections({ name: 'things' }).toArray()).toEqual([]);
  });

  it('creates an index once, lists it and drops it', async () => {
    await things().createIndex({ a: 1, b: -1 }, { unique: true });
    await things().createIndex({ a: 1, b: -1 }, { unique: true });
    expect(await things().indexes()).toEqual([
      { v: 2, key: { _id: 1 }, name: '_id_' },
      { v: 2, key: { a: 1, b: -1 }, name: 'a_1_b_-1', unique: true },
    ]);
    await things().dropIndex('a_1_b_-1');
    expect(await things().indexes()).toHaveLength(1);
    await expect(things().dropIndex('a_1_b_-1')).rejects.toMatchObject({ code: 27 });
  });

  it('refuses an index that is at odds with another', async () => {
    await things().createIndex({ a: 1 });
    await expect(things().createIndex({ b: 1 }, { name: 'a_1' })).rejects.toMatchObject({ code: 86 });
    await expect(things().createIndex({ a: 1 }, { name: 'other' })).rejects.toMatchObject({ code: 85 });
  });

  it('builds no unique index over duplicates, and leaves nothing of it', async () => {
    await things().insertMany([{ a: 1 }, { a: 1 }]);
    await expect(things().createIndex({ a: 1 }, { unique: true })).rejects.toMatchObject({ code: 11000 });
    expect(await things().indexes()).toHaveLength(1);
    await things().insertOne({ a: 1 });
  });

  it('answers unknown commands, stages, operators and modifiers with their codes', async () => {
    await things().insertOne({ a: 1 });
    await expect(database().command({ noSuchThing: 1 })).rejects.toMatchObject({ code: 59 });
    await expect(
      things()
        .aggregate([{ $noStage: {} }])
        .toArray(),
    ).rejects.toMatchObject({ code: 40324 });
    await expect(things().findOne({ a: { $noOperator: 1 } })).rejects.toMatchObject({ code: 2 });
    await expect(things().updateOne({}, { $noModifier: { a: 1 } } as object)).rejects.toMatchObject({
      code: 9,
    });
    await expect(database().command({ find: 'things', noOption: 1 })).rejects.toMatchObject({ code: 40415 });
    await expect(things().find({}, { hint: 'none' }).toArray()).rejects.toMatchObject({ code: 2 });
  });

  it('serves an unmodified Mongoose model', async () => {
    const { name, client } = { name: database().databaseName, client: database().client };
    const connection = await mongoose
      .createConnection(client.options.hosts.map((host) => `mongodb://${host.toString()}/${name}`)[0]!)
      .asPromise();
    try {
      const schema = new mongoose.Schema(
        { email: { type: String, unique: true }, tags: [String] },
        { timestamps: true },
      );
      const People = connection.model('Things', schema, 'things');
      await People.init();
      const made = await People.create({ email: 'a@example.org', tags: ['x'] });
      await expect(People.create({ email: 'a@example.org' })).rejects.toMatchObject({ code: 11000 });
      made.tags.push('y');
      await made.save();
      expect((await People.findById(made._id).lean())?.tags).toEqual(['x', 'y']);
      expect(await People.exists({ email: /^a@/ })).not.toBeNull();
    } finally {
      await connection.close();
    }
  });
}

/**
 * What the embedded server refuses although MongoDB can do it, each with a code of MongoDB's and never in
 * silence.
 */
export function describeRefusals(database: () => Db): void {
  const things = () => database().collection('refused');

  it('transactions (20), because it is a standalone', async () => {
    const command = {
      insert: 'refused',
      documents: [{ a: 1 }],
      txnNumber: 1,
      startTransaction: true,
      autocommit: false,
    };
    await expect(database().command(command)).rejects.toMatchObject({ code: 20 });
  });

  it('change streams (40573)', async () => {
    const pipeline = [{ $changeStream: {} }];
    await expect(things().aggregate(pipeline).toArray()).rejects.toMatchObject({ code: 40573 });
  });

  it.each([
    ['text', { a: 'text' as const }, {}],
    ['geo', { a: '2dsphere' as const }, {}],
    ['hashed', { a: 'hashed' as const }, {}],
    ['wildcard', { '$**': 1 as const }, {}],
    ['TTL', { a: 1 as const }, { expireAfterSeconds: 5 }],
    ['collation', { a: 1 as const }, { collation: { locale: 'de' } }],
  ])('%s indexes (67)', async (_title, key, options) => {
    await expect(things().createIndex(key, options)).rejects.toMatchObject({ code: 67 });
  });

  it.each([
    ['collation', { find: 'refused', collation: { locale: 'de' } }],
    ['min', { find: 'refused', min: { a: 1 } }],
    ['capped', { create: 'cappedOne', capped: true, size: 1000 }],
    ['validator', { create: 'validated', validator: { a: 1 } }],
    ['views', { create: 'view', viewOn: 'refused', pipeline: [] }],
  ])('the option %s (115)', async (_title, command) => {
    await expect(database().command(command)).rejects.toMatchObject({ code: 115 });
  });

  it.each([
    ['w: 2', { insert: 'refused', documents: [{ a: 1 }], writeConcern: { w: 2 } }, 2],
    ['snapshot reads', { find: 'refused', readConcern: { level: 'snapshot' } }, 123],
    ['a tailable cursor', { find: 'refused', tailable: true }, 2],
    ['$where', { find: 'refused', filter: { $where: '1' } }, 115],
    ['$text', { find: 'refused', filter: { $text: { $search: 'x' } } }, 115],
  ])('%s', async (_title, command, code) => {
    await expect(database().command(command)).rejects.toMatchObject({ code });
  });
}
