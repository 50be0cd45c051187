import { closeSync, fdatasync, openSync } from 'node:fs';

/**
 * The database's write-ahead log as a file that is made durable on our own account: the wait for the disk then
 * happens outside the event loop, while the next group of writes arrives.
 */
export class DurableLog {
  readonly #file: number;

  /** `path` is that of the write-ahead log, which exists as long as the database is open. */
  constructor(path: string) {
    this.#file = openSync(path, 'r+');
  }

  /**
   * Resolves when everything written so far is on the disk. If the disk refuses, nobody can say what is there: the
   * process ends, and the next start reads what has survived.
   */
  sync(): Promise<void> {
    return new Promise((resolve) => {
      fdatasync(this.#file, (cause) => {
        if (cause) throw new Error('The write-ahead log cannot be made durable.', { cause });
        resolve();
      });
    });
  }

  close(): void {
    closeSync(this.#file);
  }
}
