import { beforeEach, describe, expect, it } from 'vitest';
import type { Db } from './contract-targets.js';

interface Card {
  _id: string;
  position?: number;
  name?: string;
  tags?: string[];
  items?: { k: string; v: number }[];
}

/** What services rely on when they write: guarded bulks, upserts, and errors that name the key. */
export function describeWrites(database: () => Db): void {
  const cards = () => database().collection<Card>('writes');

  beforeEach(async () => {
    await cards().drop();
  });

  describe('guarded bulk updates', () => {
    const guarded = (id: string, position: number, upsert = false) => ({
      updateOne: {
        filter: { _id: id, position: { $lt: position } },
        update: { $set: { position, name: `at ${position}` } },
        upsert,
      },
    });

    it('apply newer positions and leave older ones without effect', async () => {
      await cards().insertMany([
        { _id: 'a', position: 1 },
        { _id: 'b', position: 9 },
      ]);
      const result = await cards().bulkWrite([guarded('a', 5), guarded('b', 5)], { ordered: false });
      expect([result.matchedCount, result.modifiedCount]).toEqual([1, 1]);
      expect(await cards().findOne({ _id: 'a' })).toEqual({ _id: 'a', position: 5, name: 'at 5' });
      expect(await cards().findOne({ _id: 'b' })).toEqual({ _id: 'b', position: 9 });
    });

    it('see the effect of earlier operations of the same bulk', async () => {
      await cards().insertOne({ _id: 'a', position: 1 });
      const result = await cards().bulkWrite([guarded('a', 5), guarded('a', 4), guarded('a', 6)]);
      expect(result.modifiedCount).toBe(2);
      expect(await cards().findOne({ _id: 'a' })).toMatchObject({ position: 6 });
    });

    it('answer a stale upsert with E11000 on _id and carry out the others', async () => {
      await cards().insertOne({ _id: 'old', position: 9 });
      const bulk = cards().bulkWrite([guarded('old', 5, true), guarded('new', 5, true)], { ordered: false });
      const error = await bulk.then(
        () => undefined,
        (reason: {
          writeErrors: { code: number; index: number; errmsg: string }[];
          result: { upsertedCount: number };
        }) => reason,
      );
      expect(error?.writeErrors.map(({ code, index }) => ({ code, index }))).toEqual([
        { code: 11000, index: 0 },
      ]);
      expect(error?.result.upsertedCount).toBe(1);
      expect(await cards().findOne({ _id: 'new' })).toMatchObject({ position: 5 });
    });
  });

  describe('bulk order', () => {
    const operations = [
      { insertOne: { document: { _id: 'a' } } },
      { insertOne: { document: { _id: 'a' } } },
      { insertOne: { document: { _id: 'b' } } },
    ];

    it('ends at the first error when ordered', async () => {
      await expect(cards().bulkWrite(operations)).rejects.toMatchObject({ code: 11000 });
      expect(await cards().countDocuments()).toBe(1);
    });

    it('goes on after an error when unordered', async () => {
      await expect(cards().bulkWrite(operations, { ordered: false })).rejects.toMatchObject({ code: 11000 });
      expect(await cards().countDocuments()).toBe(2);
    });
  });

  describe('a statement that cannot be read', () => {
    const unknown = { code: 40415, codeName: 'IDLUnknownField' };

    it('fails its update as a whole, with the statements before it', async () => {
      await cards().insertOne({ _id: 'a', position: 1 });
      const good = { q: { _id: 'a' }, u: { $set: { position: 2 } } };
      const updates = [good, { ...good, unheard: 1 }];
      await expect(database().command({ update: 'writes', updates })).rejects.toMatchObject(unknown);
      expect(await cards().findOne({ _id: 'a' })).toEqual({ _id: 'a', position: 1 });
    });

    it('fails its delete as a whole, with the statements before it', async () => {
      await cards().insertOne({ _id: 'a' });
      const good = { q: { _id: 'a' }, limit: 1 };
      const deletes = [good, { ...good, unheard: 1 }];
      await expect(database().command({ delete: 'writes', deletes })).rejects.toMatchObject(unknown);
      expect(await cards().countDocuments()).toBe(1);
    });
  });

  describe('duplicate keys', () => {
    it('are named with index, pattern and value', async () => {
      await cards().createIndex({ name: 1, position: -1 }, { unique: true });
      await cards().insertOne({ _id: 'a', name: 'x', position: 1 });
      await expect(cards().insertOne({ _id: 'b', name: 'x', position: 1 })).rejects.toMatchObject({
        code: 11000,
        keyPattern: { name: 1, position: -1 },
        keyValue: { name: 'x', position: 1 },
        message: expect.stringMatching(
          /^E11000 duplicate key error collection: \S+\.writes index: name_1_position_-1 dup key: \{ name: "x", position: 1 \}$/,
        ) as string,
      });
    });

    it('are found when an update makes them, and the document stays as it was', async () => {
      await cards().createIndex({ name: 1 }, { unique: true });
      await cards().insertMany([
        { _id: 'a', name: 'x' },
        { _id: 'b', name: 'y' },
      ]);
      await expect(cards().updateOne({ _id: 'b' }, { $set: { name: 'x' } })).rejects.toMatchObject({
        code: 11000,
      });
      await expect(cards().findOneAndUpdate({ _id: 'b' }, { $set: { name: 'x' } })).rejects.toMatchObject({
        code: 11000,
        codeName: 'DuplicateKey',
        keyValue: { name: 'x' },
      });
      expect(await cards().findOne({ name: 'y' })).toEqual({ _id: 'b', name: 'y' });
    });

    it('count a missing field as null, unless the index is partial or sparse', async () => {
      await cards().createIndex({ name: 1 }, { unique: true, name: 'plain' });
      await cards().insertOne({ _id: 'a' });
      await expect(cards().insertOne({ _id: 'b' })).rejects.toMatchObject({ keyValue: { name: null } });
      await cards().dropIndex('plain');
      await cards().createIndex(
        { name: 1 },
        { unique: true, partialFilterExpression: { name: { $exists: true } } },
      );
      await cards().insertOne({ _id: 'b' });
      await cards().insertOne({ _id: 'c', name: 'x' });
      await expect(cards().insertOne({ _id: 'd', name: 'x' })).rejects.toMatchObject({ code: 11000 });
    });

    it('may be freed and taken again within one bulk', async () => {
      await cards().createIndex({ name: 1 }, { unique: true });
      await cards().insertOne({ _id: 'a', name: 'x' });
      await cards().bulkWrite([
        { updateOne: { filter: { _id: 'a' }, update: { $set: { name: 'y' } } } },
        { insertOne: { document: { _id: 'b', name: 'x' } } },
      ]);
      expect(await cards().countDocuments({ name: { $in: ['x', 'y'] } })).toBe(2);
    });
  });

  describe('updates', () => {
    it('change many documents and tell matched from modified', async () => {
      await cards().insertMany([
        { _id: 'a', position: 1 },
        { _id: 'b', position: 2 },
        { _id: 'c', position: 2 },
      ]);
      const result = await cards().updateMany({ position: { $gte: 1 } }, { $set: { position: 2 } });
      expect([result.matchedCount, result.modifiedCount]).toEqual([3, 1]);
    });

    it('reach array elements by position, by filter, and all of them', async () => {
      const items = [
        { k: 'x', v: 1 },
        { k: 'y', v: 2 },
      ];
      await cards().insertOne({ _id: 'a', items });
      await cards().updateOne({ _id: 'a', 'items.k': 'y' }, { $set: { 'items.$.v': 20 } });
      await cards().updateOne(
        { _id: 'a' },
        { $inc: { 'items.$[one].v': 5 } },
        { arrayFilters: [{ 'one.k': 'x' }] },
      );
      await cards().updateOne({ _id: 'a' }, { $inc: { 'items.$[].v': 100 } });
      expect((await cards().findOne({ _id: 'a' }))?.items?.map(({ v }) => v)).toEqual([106, 120]);
    });

    it('keep sets in arrays and remove elements', async () => {
      await cards().insertOne({ _id: 'a', tags: ['x'] });
      await cards().updateOne({ _id: 'a' }, { $addToSet: { tags: { $each: ['x', 'y', 'z'] } } });
      await cards().updateOne({ _id: 'a' }, { $pull: { tags: 'x' } });
      expect(await cards().findOne({ tags: 'z' })).toEqual({ _id: 'a', tags: ['y', 'z'] });
      expect(await cards().findOne({ tags: 'x' })).toBeNull();
    });

    it('insert by upsert what filter and $setOnInsert say', async () => {
      const update = { $set: { name: 'n' }, $setOnInsert: { position: 0 } };
      const result = await cards().updateOne({ _id: 'a', tags: ['q'] }, update, { upsert: true });
      expect(result.upsertedId).toBe('a');
      expect(await cards().findOne({ _id: 'a' })).toEqual({ _id: 'a', tags: ['q'], name: 'n', position: 0 });
    });

    it('refuse to change _id with code 66 and to replace many with code 9', async () => {
      await cards().insertOne({ _id: 'a' });
      await expect(cards().updateOne({ _id: 'a' }, { $set: { _id: 'b' } })).rejects.toMatchObject({
        code: 66,
      });
      const raw = { update: 'writes', updates: [{ q: {}, u: { name: 'x' }, multi: true }] };
      expect(await database().command(raw)).toMatchObject({ n: 0, writeErrors: [{ index: 0, code: 9 }] });
    });

    it('answer findOneAndUpdate with the document before or after', async () => {
      await cards().insertOne({ _id: 'a', position: 1 });
      expect(await cards().findOneAndUpdate({ _id: 'a' }, { $inc: { position: 1 } })).toMatchObject({
        position: 1,
      });
      const after = { returnDocument: 'after' as const };
      expect(await cards().findOneAndUpdate({ _id: 'a' }, { $inc: { position: 1 } }, after)).toMatchObject({
        position: 3,
      });
      expect(await cards().findOneAndDelete({ _id: 'a' })).toMatchObject({ position: 3 });
      expect(await cards().findOneAndUpdate({ _id: 'a' }, { $inc: { position: 1 } })).toBeNull();
    });
  });

  it('deletes one or many', async () => {
    await cards().insertMany([
      { _id: 'a', name: 'x' },
      { _id: 'b', name: 'x' },
      { _id: 'c', name: 'x' },
    ]);
    expect((await cards().deleteOne({ name: 'x' })).deletedCount).toBe(1);
    expect((await cards().deleteMany({ name: 'x' })).deletedCount).toBe(2);
  });
}
