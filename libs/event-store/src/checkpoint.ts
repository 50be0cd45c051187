import type { mongo } from 'mongoose';

interface CheckpointDocument {
  _id: string;
  position: number;
}

const DUPLICATE_KEY = 11_000;

/** A reader whose writes are guarded one by one loses nothing but time by a checkpoint that is this much old. */
const ADVANCE_EVERY_MS = 1_000;

/** How far a reader has come. Moving on compares with where it was, so that a second reader is fenced off. */
export class Checkpoints {
  /** Positions that wait to be written, by reader, and when the reader's last one was. */
  private readonly waiting = new Map<string, number>();
  private readonly written = new Map<string, number>();

  constructor(private readonly collection: mongo.Collection<CheckpointDocument>) {}

  /** The last position that was handled or parked, or null for a reader that never started. */
  async load(name: string): Promise<number | null> {
    const document = await this.collection.findOne({ _id: name });
    return document ? document.position : null;
  }

  /**
   * Moves a checkpoint from where the reader believes it is.
   * @returns false when another reader moved it: this one must stop and load again.
   */
  async save(name: string, from: number | null, to: number): Promise<boolean> {
    if (from === null) {
      try {
        await this.collection.insertOne({ _id: name, position: to });
        return true;
      } catch (error) {
        if ((error as { code?: number }).code === DUPLICATE_KEY) return false;
        throw error;
      }
    }
    const result = await this.collection.updateOne({ _id: name, position: from }, { $set: { position: to } });
    return result.matchedCount === 1;
  }

  /**
   * Moves a checkpoint forward and never back, for readers whose writes are guarded one by one: at once when the last time
   * is a second ago, else within a second. After a crash the events in between are read again, which changes nothing.
   */
  async advance(name: string, to: number): Promise<void> {
    const isWaiting = this.waiting.has(name);
    this.waiting.set(name, Math.max(to, this.waiting.get(name) ?? -1));
    if (isWaiting) return;
    const dueIn = (this.written.get(name) ?? 0) + ADVANCE_EVERY_MS - Date.now();
    if (dueIn <= 0) return this.flush(name);
    setTimeout(() => void this.flush(name).catch(() => {}), dueIn).unref();
  }

  private async flush(name: string): Promise<void> {
    const to = this.waiting.get(name);
    if (to === undefined) return;
    this.waiting.delete(name);
    this.written.set(name, Date.now());
    try {
      await this.collection.updateOne(
        { _id: name, position: { $lt: to } },
        { $set: { position: to } },
        { upsert: true },
      );
    } catch (error) {
      if ((error as { code?: number }).code !== DUPLICATE_KEY) throw error;
    }
  }
}
