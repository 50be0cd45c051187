import { Catalog } from './catalog.js';
import { Cursors } from './cursors.js';
import { Store, type StoreOptions } from './store.js';
import { WriteQueue } from './write-queue.js';

/** Everything that one server keeps: its files, the names in them, the write queue and the open cursors. */
export class Engine {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly writes: WriteQueue;
  readonly cursors = new Cursors();
  readonly startedAt = Date.now();

  /** @throws DataFolderInUse when another server has the folder */
  constructor(options: StoreOptions) {
    this.store = new Store(options);
    this.catalog = new Catalog(this.store);
    this.writes = new WriteQueue(this.store);
  }

  /** Finishes the writes that were accepted and closes the files. */
  async close(): Promise<void> {
    this.cursors.close();
    await this.writes.close();
    this.store.close();
  }
}
