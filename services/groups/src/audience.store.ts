import { documentId } from '@muster/contracts/names';
import type { ContactEvent } from '@muster/contracts/contact';
import type { MembershipEvent } from '@muster/contracts/group';
import type { Fact } from '@muster/event-store/facts';
import type { KeyRing } from '@muster/event-store/keys';
import { detailKeysBeside } from '@muster/phone/detail';
import type { mongo } from 'mongoose';
import type { AccountChanges, Loaded } from './account.batch.js';
import { makeCatalogue, type AccountState } from './account.state.js';
import type { AudienceCollections, MemberDocument, StandingDocument } from './audience.model.js';
import { AccountBitmaps } from './bitmaps.js';

/** Members that one slice of a re-evaluation takes. */
export const SLICE = 500;
/** Documents that one answer of the server brings; its first would hold only 101 otherwise. */
const BATCH = 5_000;
const DUPLICATE_KEY = 11_000;

type Page = Promise<MemberDocument[]>;

/** What bitmaps are made of. */
const IN_BITMAPS = {
  _id: 0,
  ordinal: 1,
  deleted: 1,
  groups: 1,
  status: 1,
  'phones.primary': 1,
  'phones.status': 1,
  'emails.primary': 1,
  'emails.status': 1,
  'emails.key': 1,
};

/** Another owner wrote what this one was about to write: what is in memory is out of date. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

/** The read model in MongoDB: what a batch loads and what it writes. */
export class AudienceStore {
  constructor(
    readonly collections: AudienceCollections,
    private readonly keys: KeyRing,
  ) {}

  /** Everything that the events of one account touch, with one find for members and one for standings. */
  async load(account: string, facts: readonly Fact[], peppers: readonly Buffer[]): Promise<Loaded> {
    const contacts = new Set<string>();
    const said = new Set<string>();
    const held = new Set<string>();
    for (const fact of facts) {
      if (fact.category === 'contact') contacts.add(fact.streamId);
      if (fact.category === 'consent') said.add(fact.streamId);
      if (fact.category === 'membership') {
        (fact as Fact<MembershipEvent>).data.contactIds.forEach((id) => contacts.add(id));
      }
      for (const key of addedKeys(fact, peppers)) held.add(key);
    }
    const [members, standings] = await Promise.all([
      this.findMembers(account, [...contacts], [...said]),
      this.findStandings(account, [...new Set([...said, ...held])]),
    ]);
    return { members, standings };
  }

  private async findMembers(
    account: string,
    contacts: readonly string[],
    keys: readonly string[],
  ): Promise<MemberDocument[]> {
    const { members } = this.collections;
    const ids = contacts.map((id) => documentId(account, id));
    const [byId, byKey] = await Promise.all([
      ids.length === 0
        ? []
        : members
            .find({ _id: { $in: ids } })
            .batchSize(BATCH)
            .toArray(),
      keys.length === 0
        ? []
        : members
            .find({ account, keys: { $in: [...keys] } })
            .batchSize(BATCH)
            .toArray(),
    ]);
    return [...new Map([...byId, ...byKey].map((member) => [member._id, member])).values()];
  }

  private async findStandings(account: string, keys: readonly string[]): Promise<StandingDocument[]> {
    if (keys.length === 0) return [];
    const ids = keys.map((key) => documentId(account, key));
    return this.collections.standings
      .find({ _id: { $in: ids } })
      .batchSize(BATCH)
      .toArray();
  }

  /**
   * Log, then documents, then standings, then the catalogue; the caller moves the checkpoint afterwards. Whatever part of
   * it was done before a crash is recognised when the same events come again.
   * @throws Overtaken when another owner was here in between
   */
  async write(changes: readonly AccountChanges[]): Promise<void> {
    await this.writeLog(changes);
    await this.writeMembers(changes);
    await this.writeStandings(changes);
    await this.writeCatalogue(changes);
  }

  private async writeLog(changes: readonly AccountChanges[]): Promise<void> {
    const entries = changes.flatMap((change) => change.log);
    if (entries.length === 0) return;
    await this.collections.log.insertMany(entries, { ordered: false }).catch(ignoreDuplicates);
  }

  /** New members in the order of their ordinals, so that a crash leaves no gap and a replay gives the same numbers. */
  private async writeMembers(changes: readonly AccountChanges[]): Promise<void> {
    const { members } = this.collections;
    const all = changes.flatMap((change) => change.members);
    const born = all.filter(({ before }) => before === null).map(({ after }) => after);
    const known = all.filter(({ before }) => before !== null);
    if (born.length > 0) {
      born.sort((a, b) => a.ordinal - b.ordinal);
      await members.insertMany(born, { ordered: true, ignoreUndefined: true }).catch((error: unknown) => {
        throw isDuplicate(error) ? new Overtaken('a member was there already') : error;
      });
    }
    if (known.length === 0) return;
    const operations = known.map(({ before, after }) => ({
      replaceOne: { filter: { _id: after._id, position: before?.position }, replacement: after },
    })) as unknown as mongo.AnyBulkWriteOperation<MemberDocument>[];
    const result = await members.bulkWrite(operations, { ordered: false, ignoreUndefined: true });
    if (result.matchedCount !== known.length) throw new Overtaken('a member was changed by another');
  }

  private async writeStandings(changes: readonly AccountChanges[]): Promise<void> {
    const operations = changes
      .flatMap((change) => change.standings)
      .map((standing) => ({
        updateOne: {
          filter: { _id: standing._id, position: { $lt: standing.position } },
          update: { $set: standing },
          upsert: true,
        },
      }));
    if (operations.length === 0) return;
    await this.collections.standings.bulkWrite(operations, { ordered: false }).catch(ignoreDuplicates);
  }

  private async writeCatalogue(changes: readonly AccountChanges[]): Promise<void> {
    const groups = changes.flatMap((change) => change.groups);
    if (groups.length > 0) {
      const operations = groups.map((group) => ({
        replaceOne: { filter: { _id: group._id }, replacement: group, upsert: true },
      }));
      await this.collections.groups.bulkWrite(operations, { ordered: false });
    }
    for (const { fields } of changes) {
      if (fields) await this.collections.fields.replaceOne({ _id: fields._id }, fields, { upsert: true });
    }
  }

  /** Every account that has members, by one look into an index for each. */
  async *accounts(): AsyncGenerator<string> {
    const { members } = this.collections;
    for (let after = ''; ;) {
      const beyond = members.find({ account: { $gt: after } }).project<{ account: string }>({ account: 1 });
      const next = await beyond.sort({ account: 1, ordinal: 1 }).limit(1).next();
      if (!next) return;
      yield next.account;
      after = next.account;
    }
  }

  /** Memory of an account, rebuilt from its documents; while one page is taken in, the server reads the next. */
  async loadAccount(account: string): Promise<AccountState> {
    const { groups, fields } = this.collections;
    const [known, custom] = await Promise.all([
      groups.find({ account }).toArray(),
      fields.findOne({ _id: account }),
    ]);
    const bitmaps = new AccountBitmaps();
    const nextOrdinal = await this.nextOrdinal(account);
    const pageAt = (from: number): Page | null => (from < nextOrdinal ? this.inBitmaps(account, from) : null);
    let page = pageAt(0);
    for (let from = BATCH; page; from += BATCH) {
      const next = pageAt(from);
      // A failure is told when this page is waited for.
      next?.catch(() => undefined);
      for (const member of await page) bitmaps.replace(null, member);
      page = next;
    }
    const catalogue = makeCatalogue(known, custom ?? { _id: account, position: -1, fields: [] });
    return { account, catalogue, bitmaps, nextOrdinal, pass: null };
  }

  private async nextOrdinal(account: string): Promise<number> {
    const newest = this.collections.members.find({ account }).sort({ account: -1, ordinal: -1 }).limit(1);
    const last = await newest.project<{ ordinal: number }>({ ordinal: 1 }).next();
    return last ? last.ordinal + 1 : 0;
  }

  private inBitmaps(account: string, from: number): Page {
    return this.collections.members
      .find({ account, ordinal: { $gte: from, $lt: from + BATCH } })
      .project<MemberDocument>(IN_BITMAPS)
      .batchSize(BATCH + 1)
      .toArray();
  }

  /** The next members, by ordinal, that were not touched since before a position. */
  async slice(account: string, cursor: number, position: number): Promise<MemberDocument[]> {
    return this.collections.members
      .find({ account, ordinal: { $gt: cursor }, position: { $lt: position }, deleted: false })
      .sort({ account: 1, ordinal: 1 })
      .limit(SLICE)
      .batchSize(SLICE + 1)
      .toArray();
  }

  /** Keeps the place of an event that could not be folded in. */
  async park({ id, account, stream, type, position }: Fact): Promise<void> {
    const parked = { _id: id, account, stream, type, position };
    await this.collections.parked.replaceOne({ _id: id }, parked, { upsert: true });
  }

  peppers(account: string): Promise<Buffer[]> {
    return this.keys.peppers(account);
  }
}

/** Keys of the details that an event gives to a contact, with the keys under which the same detail may be known. */
function addedKeys(fact: Fact, peppers: readonly Buffer[]): string[] {
  const event = fact as unknown as ContactEvent;
  if (event.type === 'ContactRegistered') {
    return event.data.details.flatMap(({ kind, key }) => {
      const value = event.data.values?.[key];
      return value === undefined ? [key] : detailKeysBeside(key, peppers, kind, value);
    });
  }
  if (event.type === 'DetailAdded') {
    const { kind, key, value } = event.data;
    return value === undefined ? [key] : detailKeysBeside(key, peppers, kind, value);
  }
  return [];
}

interface WriteFailure {
  code?: number;
  writeErrors?: { code?: number }[] | { code?: number };
}

function isDuplicate(error: unknown): boolean {
  const { code, writeErrors } = error as WriteFailure;
  if (writeErrors === undefined) return code === DUPLICATE_KEY;
  const errors = Array.isArray(writeErrors) ? writeErrors : [writeErrors];
  return errors.length > 0 ? errors.every((one) => one.code === DUPLICATE_KEY) : code === DUPLICATE_KEY;
}

/** What is there already was written by the same events before: a replay. */
function ignoreDuplicates(error: unknown): void {
  if (!isDuplicate(error)) throw error;
}
