import { startMongo } from '@muster/testing/servers';
import { afterAll, beforeAll, describe } from 'vitest';
import { mongoUrl } from './config.js';
import { describeCatalog, describeRefusals } from './contract-catalog.js';
import { describeReads } from './contract-reads.js';
import { contractTargets, type Db, MongoClient } from './contract-targets.js';
import { describeWrites } from './contract-writes.js';

describe.each(contractTargets(mongoUrl(), () => startMongo()))('$title', ({ title, skipped, open }) => {
  describe.skipIf(skipped)('keeps the contract', () => {
    let db: Db;
    let end: () => Promise<void>;

    beforeAll(async () => {
      const { url, close } = await open();
      const client = await new MongoClient(url).connect();
      db = client.db(`contract_${process.pid}`);
      end = async () => {
        await db.dropDatabase();
        await client.close();
        await close();
      };
    });
    afterAll(() => end());

    describe('of writes', () => {
      describeWrites(() => db);
    });
    describe('of reads', () => {
      describeReads(() => db);
    });
    describe('of collections and indexes', () => {
      describeCatalog(() => db);
    });
    describe.skipIf(title !== 'the embedded server')('by refusing', () => {
      describeRefusals(() => db);
    });
  });
});
