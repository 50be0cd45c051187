import type { Long } from 'bson';
import { RawReply } from './wire.js';

const okElement = Buffer.from('\x01ok\0\0\0\0\0\0\0\xf0\x3f\0', 'latin1');

const arrayKeys: Buffer[] = [];

/** The element header `0x03 "<i>" 0x00` of the i-th document in an array. */
function arrayKey(i: number): Buffer {
  return (arrayKeys[i] ??= Buffer.from(`\x03${i}\0`, 'latin1'));
}

/**
 * `{ cursor: { <batchName>: documents, id, ns }, ok: 1 }`, assembled from stored BSON without decoding it.
 * `batchName` is `firstBatch` or `nextBatch`.
 */
export function cursorReply(batchName: string, documents: readonly Buffer[], id: Long, ns: string): RawReply {
  const batch: Buffer[] = [];
  let size = 0;
  for (let i = 0; i < documents.length; i++) {
    const key = i < 10_000 ? arrayKey(i) : Buffer.from(`\x03${i}\0`, 'latin1');
    const document = documents[i]!;
    batch.push(key, document);
    size += key.length + document.length;
  }
  const arraySize = size + 5;
  const namespace = Buffer.from(ns, 'utf8');
  const idElement = Buffer.alloc(12);
  idElement.write('\x12id\0', 0, 'latin1');
  idElement.writeInt32LE(id.low, 4);
  idElement.writeInt32LE(id.high, 8);
  const nsElement = Buffer.alloc(8 + namespace.length + 1);
  nsElement.write('\x02ns\0', 0, 'latin1');
  nsElement.writeInt32LE(namespace.length + 1, 4);
  namespace.copy(nsElement, 8);
  const batchKey = Buffer.from(`\x04${batchName}\0`, 'latin1');
  const cursorSize = 4 + batchKey.length + arraySize + idElement.length + nsElement.length + 1;
  const cursorKey = Buffer.from('\x03cursor\0', 'latin1');
  const total = 4 + cursorKey.length + cursorSize + okElement.length;
  const zero = Buffer.alloc(1);
  return new RawReply([
    int32(total),
    cursorKey,
    int32(cursorSize),
    batchKey,
    int32(arraySize),
    ...batch,
    zero,
    idElement,
    nsElement,
    zero,
    okElement,
  ]);
}

function int32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeInt32LE(value, 0);
  return out;
}
