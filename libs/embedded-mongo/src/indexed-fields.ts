import type { Document } from './bson-types.js';
import { decode, decodeFields } from './document-bytes.js';
import { fieldsOfFilter } from './filter-fields.js';
import type { IndexInfo } from './index-definition.js';

/** Decodes the parts of a document that the keys and partial filters of some indexes are made of, and no others. */
export class IndexedFields {
  /** Undefined when only a whole document will do. */
  private readonly names: ReadonlySet<string> | undefined;
  /** Of sub-documents that indexes only look into: which of their fields. */
  private readonly inner = new Map<string, Set<string>>();

  constructor(indexes: readonly IndexInfo[]) {
    const names = new Set(['_id']);
    let all = true;
    for (const { needs } of indexes) {
      if (needs === undefined) all = false;
      else for (const name of needs) names.add(name);
    }
    this.names = all ? names : undefined;
    const whole = new Set<string>();
    for (const { fields, partial } of indexes) {
      for (const name of partial === undefined ? [] : (fieldsOfFilter(partial) ?? [])) whole.add(name);
      for (const { parts } of fields) {
        const [name, next] = parts as [string, string?];
        if (next === undefined) whole.add(name);
        else this.innerOf(name).add(next);
      }
    }
    for (const name of whole) this.inner.delete(name);
  }

  of(raw: Buffer): Document {
    return this.names === undefined ? decode(raw) : decodeFields(raw, this.names, this.inner);
  }

  private innerOf(name: string): Set<string> {
    let found = this.inner.get(name);
    if (found === undefined) this.inner.set(name, (found = new Set()));
    return found;
  }
}
