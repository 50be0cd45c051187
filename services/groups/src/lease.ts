import type { mongo } from 'mongoose';

export interface LeaseDocument {
  _id: string;
  owner: string;
  until: Date;
}

const DUPLICATE_KEY = 11_000;

/**
 * Who runs a loop. A lease only keeps two owners from working at the same time for long: what keeps them from doing harm
 * is the compare-and-set of the checkpoint and of every document, so a clock that goes wrong costs time and no truth.
 */
export class Lease {
  constructor(
    private readonly collection: mongo.Collection<LeaseDocument>,
    private readonly name: string,
    private readonly owner: string,
    /** How long a lease holds without being renewed, in milliseconds. */
    private readonly ms: number,
  ) {}

  /** Takes the lease when it is free or expired, and renews it when it is ours already. */
  async take(): Promise<boolean> {
    const now = Date.now();
    const $or = [{ owner: this.owner }, { until: { $lt: new Date(now) } }];
    const $set = { owner: this.owner, until: new Date(now + this.ms) };
    try {
      const result = await this.collection.updateOne({ _id: this.name, $or }, { $set }, { upsert: true });
      return result.matchedCount + result.upsertedCount === 1;
    } catch (error) {
      if ((error as { code?: number }).code === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  /** Lets another take over at once. */
  async release(): Promise<void> {
    await this.collection.deleteOne({ _id: this.name, owner: this.owner });
  }
}
