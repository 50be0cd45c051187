import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection, type Connection, type mongo } from 'mongoose';
import { scrub, type Log } from './log.js';

const SELECTION_MS = 5_000;
/** An answer that takes longer is given up, in milliseconds; the driver itself would wait for ever. */
const SOCKET_MS = 120_000;
/** How often the driver looks for its server; what it finds decides whether Mongoose sends or buffers. */
const HEARTBEAT_MS = 2_000;
const RETRY_MS = 500;
const POOL_MAX = 50;

/**
 * The address of one database on the servers of `mongoUrl`. Credentials stay those of the `admin` database
 * unless the address says otherwise: the driver would look for them in the database that the path names.
 */
export function databaseUrl(mongoUrl: string, name: string): string {
  const [, servers, query = ''] =
    /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(?:\?(.*))?$/.exec(mongoUrl) ?? [];
  if (servers === undefined) throw new Error('MONGO_URL is not the address of a MongoDB server');
  const parameters = query === '' ? [] : query.split('&');
  const isGiven = parameters.some((parameter) => /^(authSource|authMechanism)=/i.test(parameter));
  if (servers.includes('@') && !isGiven) parameters.push('authSource=admin');
  return `${servers}/${name}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`;
}

/**
 * One database and its connection. Usable at once: what is asked of it before the server was reached waits
 * for some seconds. It keeps trying for ever when the server is down at the start, and the driver does when
 * it goes down later.
 */
export class Database {
  readonly connection: Connection;
  private readonly closing = new AbortController();
  private readonly opening: Promise<void>;
  private isOpen = false;

  constructor(
    mongoUrl: string,
    readonly name: string,
    private readonly log: Log,
  ) {
    this.connection = createConnection(databaseUrl(mongoUrl, name), {
      serverSelectionTimeoutMS: SELECTION_MS,
      connectTimeoutMS: SELECTION_MS,
      socketTimeoutMS: SOCKET_MS,
      heartbeatFrequencyMS: HEARTBEAT_MS,
      maxPoolSize: POOL_MAX,
    });
    this.opening = this.open();
  }

  /** A collection of the driver, without Mongoose's casting. */
  collection<T extends mongo.Document = mongo.Document>(name: string): mongo.Collection<T> {
    return this.connection.getClient().db(this.name).collection<T>(name);
  }

  /** Whether the server answers now. */
  async ping(): Promise<boolean> {
    if (!this.isOpen) return false;
    await this.connection.getClient().db(this.name).command({ ping: 1 });
    return true;
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.opening;
    await this.connection.close();
    await this.connection.getClient().close();
  }

  /** The same client is connected again and again: collections that were taken before stay usable. */
  private async open(): Promise<void> {
    try {
      await this.connection.asPromise();
      this.isOpen = true;
      return;
    } catch (error) {
      this.log.warn('mongo not reached', { database: this.name, reason: scrub(String(error)) });
    }
    const client = this.connection.getClient();
    while (!this.closing.signal.aborted) {
      try {
        await client.connect();
        this.connection.setClient(client);
        this.isOpen = true;
        return;
      } catch {
        await sleep(RETRY_MS, undefined, { signal: this.closing.signal }).catch(() => undefined);
      }
    }
  }
}
