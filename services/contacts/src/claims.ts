import { documentId } from '@muster/contracts/names';
import type { mongo } from 'mongoose';
import type { ClaimDocument } from './contact.model.js';

const DUPLICATE_KEY = 11_000;

/** A number and the contact that asks for it. */
export interface WantedClaim {
  key: string;
  contactId: string;
}

/** Claims on phone numbers: whoever inserts first allocates the contact id for the number. */
export class Claims {
  constructor(private readonly collection: mongo.Collection<ClaimDocument>) {}

  /** The contact id on each claimed key. */
  async find(account: string, keys: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    if (keys.length === 0) return found;
    const ids = keys.map((key) => documentId(account, key));
    for await (const claim of this.collection.find({ _id: { $in: ids } })) {
      found.set(claim._id.slice(account.length + 1), claim.contactId);
    }
    return found;
  }

  /** Inserts claims; where another was quicker, its contact id is in the answer. */
  async take(account: string, wanted: readonly WantedClaim[]): Promise<Map<string, string>> {
    const unique = new Map<string, string>();
    for (const { key, contactId } of wanted) if (!unique.has(key)) unique.set(key, contactId);
    if (unique.size === 0) return unique;
    const documents = [...unique].map(([key, contactId]) => ({ _id: documentId(account, key), contactId }));
    try {
      await this.collection.insertMany(documents, { ordered: false });
      return unique;
    } catch (error) {
      if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
      return new Map([...unique, ...(await this.find(account, [...unique.keys()]))]);
    }
  }

  /** Compare-and-set: gives a claim to another contact. False when it is no longer where it was. */
  async move(account: string, key: string, from: string, to: string): Promise<boolean> {
    const result = await this.collection.updateOne(
      { _id: documentId(account, key), contactId: from },
      { $set: { contactId: to } },
    );
    return result.matchedCount === 1;
  }

  /** Lets go of claims that a contact no longer needs; those of others stay. */
  async release(account: string, contactId: string, keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.collection.deleteMany({
      _id: { $in: keys.map((key) => documentId(account, key)) },
      contactId,
    });
  }
}
