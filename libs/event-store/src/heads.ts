import { documentId } from '@muster/contracts/names';
import type { mongo } from 'mongoose';

/** A command that changed the aggregate, and what it came to. */
export interface DoneCommand {
  command: string;
  types: string[];
  revision: number;
  position: number;
}

/** The newest state of one aggregate, kept beside its stream so that a thousand can be loaded in one find. */
export interface Head<S> {
  account: string;
  id: string;
  state: S;
  /** Revision of the last event folded in; -1 where there is no stream. */
  revision: number;
  position: number;
  /** The last 16 commands, newest last. */
  commands: DoneCommand[];
  /** Marks of all commands before those, as of a revision; null or of another revision where they are not known. */
  older?: { revision: number; marks: string } | null;
  /** Id of the data key that seals the aggregate's personal values. */
  key: string | null;
}

type HeadDocument<S> = Head<S> & { _id: string };

export const COMMANDS_KEPT = 16;
const DUPLICATE_KEY = 11_000;

/** Heads in MongoDB. A write is guarded by the revision, so an older one never replaces a newer one. */
export class Heads<S> {
  constructor(readonly collection: mongo.Collection<HeadDocument<S>>) {}

  async find(account: string, ids: readonly string[]): Promise<Map<string, Head<S>>> {
    const found = new Map<string, Head<S>>();
    if (ids.length === 0) return found;
    const filter = { _id: { $in: ids.map((id) => documentId(account, id)) } } as mongo.Filter<
      HeadDocument<S>
    >;
    for await (const document of this.collection.find(filter)) {
      const { _id, ...head } = document as HeadDocument<S>;
      found.set(head.id, head as Head<S>);
    }
    return found;
  }

  async save(heads: readonly Head<S>[]): Promise<void> {
    const born = heads.filter(isOfFirstCommand);
    const grown = heads.length === born.length ? [] : heads.filter((head) => !isOfFirstCommand(head));
    await Promise.all([this.insert(born), this.update(grown)]);
  }

  /**
   * Writes the head of an aggregate that most likely has none, with more fields of its document.
   * @returns false when there was one already: nothing was written then
   */
  async create(head: Head<S>, more: object): Promise<boolean> {
    const document = { _id: documentId(head.account, head.id), ...head, ...more };
    try {
      await this.collection.insertOne(document as mongo.OptionalUnlessRequiredId<HeadDocument<S>>);
      return true;
    } catch (error) {
      if (!onlyStale(error)) throw error;
      return false;
    }
  }

  private async insert(heads: readonly Head<S>[]): Promise<void> {
    if (heads.length === 0) return;
    const documents = heads.map((head) => ({ _id: documentId(head.account, head.id), ...head }));
    const inserting = this.collection.insertMany(
      documents as mongo.OptionalUnlessRequiredId<HeadDocument<S>>[],
      {
        ordered: false,
      },
    );
    await inserting.catch(ignoreStale);
  }

  private async update(heads: readonly Head<S>[]): Promise<void> {
    if (heads.length === 0) return;
    const operations = heads.map((head) => ({
      updateOne: {
        filter: { _id: documentId(head.account, head.id), revision: { $lt: head.revision } },
        update: { $set: head },
        upsert: true,
      },
    })) as unknown as mongo.AnyBulkWriteOperation<HeadDocument<S>>[];
    await this.collection.bulkWrite(operations, { ordered: false }).catch(ignoreStale);
  }
}

/**
 * The head after an aggregate's first command: no older one can be there, so it is inserted, and whatever is there
 * already is as new. Of many new aggregates at once, that is a fraction of the work of guarded updates.
 */
function isOfFirstCommand({ commands, revision }: Head<unknown>): boolean {
  return commands.length === 1 && commands[0]?.revision === revision;
}

/** A guarded upsert of an older head runs into the unique id: the newer one is there already, which is what counts. */
function ignoreStale(error: unknown): void {
  if (!onlyStale(error)) throw error;
}

function onlyStale(error: unknown): boolean {
  const failure = error as { code?: number; writeErrors?: { code?: number }[] | { code?: number } };
  if (failure.writeErrors === undefined) return failure.code === DUPLICATE_KEY;
  const errors = Array.isArray(failure.writeErrors) ? failure.writeErrors : [failure.writeErrors];
  return errors.every((one) => one.code === DUPLICATE_KEY);
}
