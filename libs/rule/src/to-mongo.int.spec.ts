import * as fc from 'fast-check';
import mongoose from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyMember, anyRule } from './arbitraries.spec.js';
import { evaluate } from './evaluate.js';
import { parseRule } from './parse.js';
import { type MongoFilter, toMongo } from './to-mongo.js';

const MEMBERS = 300;
const RULES = 300;
const now = '2026-11-22T04:00:00.000Z';

/** The test kit is outside this package's build; the specifier is a variable so that only the test resolves it. */
const kit: string = '@muster/testing/servers';

interface Started {
  url: string;
  stop(): Promise<void>;
}

/** A real MongoDB when MONGO_URL names one, otherwise the embedded server as a child process. */
async function startServer(): Promise<Started> {
  const given = process.env['MONGO_URL'];
  if (given) return { url: given, stop: async () => {} };
  const { startMongo } = (await import(kit)) as { startMongo(): Promise<Started> };
  return startMongo();
}

/** Numbered, so that an answer can be compared with the list the members come from. */
const members = fc
  .sample(anyMember, { numRuns: MEMBERS, seed: 20261122 })
  .map((member, index) => Object.assign(structuredClone(member), { _id: index }));

describe('toMongo through the driver', () => {
  let server: Started;
  let connection: mongoose.Connection;
  const database = `rule_${process.pid}`;

  beforeAll(async () => {
    server = await startServer();
    connection = await mongoose.createConnection(server.url, { dbName: database }).asPromise();
    await connection.collection<{ _id: number }>('members').insertMany(members);
  });

  afterAll(async () => {
    await connection?.dropDatabase();
    await connection?.close();
    await server?.stop();
  });

  const find = async (filter: MongoFilter): Promise<number[]> => {
    const found = connection.collection<{ _id: number }>('members').find(filter, { projection: { _id: 1 } });
    return (await found.toArray()).map((document) => document._id).sort((a, b) => a - b);
  };

  it(`finds for each of ${RULES} rules exactly the members that evaluate accepts`, async () => {
    let matched = 0;
    const law = fc.asyncProperty(anyRule, async (rule) => {
      const accepted = members.filter((member) => evaluate(rule, member, now).matches).map(({ _id }) => _id);
      matched += accepted.length;
      expect(await find(toMongo(rule))).toEqual(accepted);
    });
    await fc.assert(law, { numRuns: RULES });
    expect(matched).toBeGreaterThan((RULES * MEMBERS) / 5);
  });

  it('finds a number in the spelling in which a person types it', async () => {
    const parsed = parseRule('054-123 4567', { fields: [], groups: [] });
    const found = parsed.ok ? await find(toMongo(parsed.rule)) : [];
    const israeli = members.filter(({ phones }) =>
      phones.some(({ value, country }) => value === '+972541234567' && country === 'IL'),
    );
    expect(israeli.length).toBeGreaterThan(0);
    expect(found).toEqual(expect.arrayContaining(israeli.map(({ _id }) => _id)));
  });
});
