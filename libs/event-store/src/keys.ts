import { createHash, randomBytes } from 'node:crypto';
import type { Connection, mongo } from 'mongoose';
import { Generations } from './generations.js';
import { randomPortion } from './random.js';
import { decrypt, encrypt } from './seal.js';

/** The key of one contact or one detail. Its id stands in the metadata of the events that it seals. */
export interface DataKey {
  id: string;
  secret: Buffer;
}

/** A bag holds the keys of everything that was created in one write. Insert-only; erasing takes a key out. */
interface Bag {
  _id: string;
  keys: Record<string, string>;
}

interface CachedKey {
  key: DataKey;
  until: number;
}

interface PepperDocument {
  _id: string;
  versions: string[];
}

const CACHE_MS = 60_000;
const CACHED = 10_000;
const DUPLICATE_KEY = 11_000;
const MAJORITY = { writeConcern: { w: 'majority', j: true } } as const;

/**
 * Data keys and peppers, each wrapped under the master key. They are truth, not a read model: they live in a database
 * of their own, are written before the events that need them, and are backed up apart with a short retention.
 */
export class KeyRing {
  private readonly bags: mongo.Collection<Bag>;
  private readonly pepperDocuments: mongo.Collection<PepperDocument>;
  private readonly cache = new Generations<CachedKey>(CACHED);
  private readonly pepperCache = new Map<string, Buffer[]>();

  /** @param masterKey 32 bytes */
  constructor(
    connection: Connection,
    private readonly masterKey: Buffer,
  ) {
    if (masterKey.length !== 32) throw new Error('the master key must have 32 bytes');
    const database = connection.getClient().db(connection.name);
    this.bags = database.collection<Bag>('data_keys');
    this.pepperDocuments = database.collection<PepperDocument>('peppers');
  }

  /** Makes `count` keys in one bag with one write. They are durable at the answer. */
  async newKeys(count: number): Promise<DataKey[]> {
    if (count === 0) return [];
    const bagId = randomBytes(16).toString('hex');
    const made = Array.from({ length: count }, (_, index) => ({
      id: `${bagId}.${index}`,
      secret: randomPortion(32),
    }));
    const keys = Object.fromEntries(made.map((key, index) => [String(index), this.wrap(key.secret, key.id)]));
    await this.bags.insertOne({ _id: bagId, keys }, MAJORITY);
    made.forEach((key) => this.remember(key));
    return made;
  }

  /**
   * The key of a detail, for inbound texts and consent evidence; made on first use. Inserted without looking first: most
   * details that are asked for have none yet. The loser of a race re-reads.
   */
  async keyOfDetail(account: string, detailKey: string): Promise<DataKey> {
    const bagId = createHash('sha256').update(`${account}|${detailKey}`).digest('hex').slice(0, 32);
    const id = `${bagId}.0`;
    const cached = this.cached(id);
    if (cached) return cached;
    const made = { id, secret: randomPortion(32) };
    try {
      await this.bags.insertOne({ _id: bagId, keys: { '0': this.wrap(made.secret, id) } }, MAJORITY);
      this.remember(made);
      return made;
    } catch (error) {
      if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
      const winner = (await this.get([id])).get(id);
      if (!winner) throw new Error('the key of this detail was destroyed', { cause: error });
      return winner;
    }
  }

  /** The keys that still exist; destroyed ones are absent from the answer. Cached for up to 60 seconds. */
  async get(ids: readonly string[]): Promise<Map<string, DataKey>> {
    const found = new Map<string, DataKey>();
    const missing: string[] = [];
    for (const id of ids) {
      const cached = this.cached(id);
      if (cached) found.set(id, cached);
      else missing.push(id);
    }
    if (missing.length === 0) return found;
    const bagIds = [...new Set(missing.map((id) => id.slice(0, id.indexOf('.'))))];
    const bags = new Map<string, Bag>();
    for await (const bag of this.bags.find({ _id: { $in: bagIds } })) bags.set(bag._id, bag);
    for (const id of missing) {
      const dot = id.indexOf('.');
      const wrapped = bags.get(id.slice(0, dot))?.keys[id.slice(dot + 1)];
      if (wrapped === undefined) continue;
      const key = { id, secret: this.unwrap(wrapped, id) };
      this.remember(key);
      found.set(id, key);
    }
    return found;
  }

  /** Destroys keys: whatever was sealed under them can never be read again. */
  async destroy(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const dot = id.indexOf('.');
      await this.bags.updateOne(
        { _id: id.slice(0, dot) },
        { $unset: { [`keys.${id.slice(dot + 1)}`]: '' } },
        MAJORITY,
      );
      this.cache.delete(id);
    }
  }

  /** The account's peppers, the current one first; made on first use. A pepper never changes and is never dropped. */
  async peppers(account: string): Promise<Buffer[]> {
    const cached = this.pepperCache.get(account);
    if (cached) return cached;
    const context = `pepper|${account}`;
    await this.pepperDocuments
      .updateOne(
        { _id: account },
        { $setOnInsert: { versions: [this.wrap(randomBytes(32), context)] } },
        { upsert: true, ...MAJORITY },
      )
      .catch((error: { code?: number }) => {
        if (error.code !== DUPLICATE_KEY) throw error;
      });
    const document = await this.pepperDocuments.findOne({ _id: account });
    if (!document) throw new Error('the pepper of the account is gone');
    const peppers = document.versions.map((version) => this.unwrap(version, context));
    this.pepperCache.set(account, peppers);
    return peppers;
  }

  /** Encrypts under the master key. The context binds the result to its place. */
  wrap(plain: Buffer, context: string): string {
    return encrypt(this.masterKey, context, plain).toString('base64');
  }

  unwrap(wrapped: string, context: string): Buffer {
    return decrypt(this.masterKey, context, Buffer.from(wrapped, 'base64'));
  }

  private cached(id: string): DataKey | undefined {
    const cached = this.cache.get(id);
    return cached && cached.until > Date.now() ? cached.key : undefined;
  }

  private remember(key: DataKey): void {
    this.cache.set(key.id, { key, until: Date.now() + CACHE_MS });
  }
}
