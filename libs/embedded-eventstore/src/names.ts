import type Database from 'better-sqlite3';

/** A small table of names (event types, categories) that is held in memory as a whole. */
export class Names {
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #select;
  readonly #insert;

  constructor(db: Database.Database, table: 'categories' | 'types') {
    this.#select = db.prepare<[], { id: number; name: string }>(`select id, name from ${table}`);
    this.#insert = db.prepare<[string]>(`insert into ${table}(name) values (?)`);
    this.reload();
  }

  /** The name's id; a new name gets one. Call within a transaction if the name may be new. */
  idOf(name: string): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = Number(this.#insert.run(name).lastInsertRowid);
    this.#ids.set(name, id);
    this.#names.set(id, name);
    return id;
  }

  /** The name behind an id that came from here. */
  nameOf(id: number): string {
    return this.#names.get(id) ?? '';
  }

  entries(): IterableIterator<[string, number]> {
    return this.#ids.entries();
  }

  /** Reads the table again, after a transaction was rolled back. */
  reload(): void {
    this.#ids.clear();
    this.#names.clear();
    for (const { id, name } of this.#select.all()) {
      this.#ids.set(name, id);
      this.#names.set(id, name);
    }
  }
}
