import type { CollectionInfo } from './catalog.js';
import { decode } from './document-bytes.js';
import type { Engine } from './engine.js';
import { entriesOf } from './index-entries.js';

/** The entries that the indexes of a collection hold, and those that its documents ask for; sorted alike. */
export function entriesOfAll(
  engine: Engine,
  collection: CollectionInfo,
): { stored: string[]; wanted: string[] } {
  const { reader } = engine.store;
  const all = { from: Buffer.alloc(0), to: Buffer.alloc(16, 0xff) };
  const documents = reader.table(collection.id).page(undefined, false, 1_000_000);
  const stored: string[] = [];
  const wanted: string[] = [];
  for (const index of collection.indexes) {
    const entries = reader.index(collection.id, index.id).page(all, undefined, false, 1_000_000);
    for (const { key, n } of entries) stored.push(`${index.name} ${key.toString('hex')} ${n}`);
    for (const [n, raw] of documents) {
      const { keys, multikey } = entriesOf(index, decode(raw));
      if ((multikey & ~index.multikey) !== 0) wanted.push(`${index.name} should be multikey`);
      for (const key of keys) wanted.push(`${index.name} ${key.toString('hex')} ${n}`);
    }
  }
  return { stored: stored.sort(), wanted: wanted.sort() };
}
