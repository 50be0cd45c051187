import type { Document } from './bson-types.js';
import { Elements } from './elements.js';
import { buildTree, flagOf, readEntries, type Tree } from './project-tree.js';

const DOCUMENT = 0x03;
const ARRAY = 0x04;
/** Below this many bytes a loop is quicker than a native copy. */
const SHORT = 32;

/** The bytes of one projected document as they are put together; one for all, as nothing waits in between. */
let out = Buffer.allocUnsafe(64 * 1024);
let at = 0;

/**
 * A projection that only names what it keeps, applied to stored bytes: nothing is decoded, and what is kept is copied as
 * it is. Undefined for any other projection. What is wrong with a specification is for compileProjection to say.
 */
export function compileByteProjection(spec: Document): ((raw: Buffer) => Buffer) | undefined {
  const names = Object.keys(spec).filter((path) => path !== '_id');
  if (names.some((path) => path.includes('$') || flagOf(spec[path]) !== 'include')) return undefined;
  const ofId = Object.hasOwn(spec, '_id') ? flagOf(spec['_id']) : 'include';
  if (ofId === undefined || (names.length === 0 && ofId === 'exclude')) return undefined;
  const kept = names.map((path): [string, unknown] => [path, true]);
  const isIdKept = ofId === 'include' && !names.some((path) => path.startsWith('_id.'));
  const whole: [string, unknown][] = isIdKept ? [['_id', true], ...kept] : kept;
  const tree = buildTree(readEntries(Object.fromEntries(whole), new Set()));
  return (raw) => {
    if (out.length < raw.length) out = Buffer.allocUnsafe(raw.length);
    at = 0;
    putFields(raw, 0, tree);
    const document = Buffer.allocUnsafe(at);
    out.copy(document, 0, 0, at);
    return document;
  };
}

function put(bytes: Buffer, start: number, end: number): void {
  if (end - start < SHORT) {
    for (let from = start; from < end; from += 1) out[at++] = bytes[from] as number;
  } else at += bytes.copy(out, at, start, end);
}

/** The named fields of the document that begins at `from`. */
function putFields(bytes: Buffer, from: number, tree: Tree): void {
  const start = begin();
  const elements = new Elements(bytes, from);
  let left = tree.size;
  while (left > 0 && elements.next()) {
    const node = tree.get(elements.name);
    if (node === undefined) continue;
    left -= 1;
    if (node === 'include') put(bytes, elements.start, elements.end);
    else if (elements.type === DOCUMENT || elements.type === ARRAY) {
      put(bytes, elements.start, elements.valueAt);
      putWithin(bytes, elements, node as Tree);
    }
  }
  finish(start);
}

/** The elements of an array that have fields, numbered anew; scalars have none and drop out. */
function putItems(bytes: Buffer, from: number, tree: Tree): void {
  const start = begin();
  const elements = new Elements(bytes, from);
  for (let index = 0; elements.next();) {
    if (elements.type !== DOCUMENT && elements.type !== ARRAY) continue;
    out[at++] = elements.type;
    at += out.write(String(index), at, 'latin1');
    out[at++] = 0;
    index += 1;
    putWithin(bytes, elements, tree);
  }
  finish(start);
}

function putWithin(bytes: Buffer, { type, valueAt }: Elements, tree: Tree): void {
  if (type === ARRAY) putItems(bytes, valueAt, tree);
  else putFields(bytes, valueAt, tree);
}

/** Leaves room for the size of a document. */
function begin(): number {
  at += 4;
  return at - 4;
}

function finish(start: number): void {
  out[at++] = 0;
  out.writeInt32LE(at - start, start);
}
