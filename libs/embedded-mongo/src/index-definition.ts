import { type Document, describeValue, isDocument } from './bson-types.js';
import { identicalValues } from './bson-order.js';
import { cannotCreateIndex, indexKeySpecsConflict, indexOptionsConflict, serverError } from './errors.js';
import { compileFilter } from './match.js';
import { fieldsOfFilter } from './filter-fields.js';

/** One field of an index key. */
export interface IndexField {
  path: string;
  parts: readonly string[];
  direction: 1 | -1;
}

/** An index as the server uses it. `multikey` has one bit for each field that an array has run through. */
export class IndexInfo {
  readonly fields: readonly IndexField[];
  readonly key: Document;
  readonly name: string;
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partial: Document | undefined;
  readonly covers: ((document: Document) => boolean) | undefined;
  /**
   * The top-level fields that keys and partial filter are made of; undefined when only a whole document
   * will do.
   */
  readonly needs: ReadonlySet<string> | undefined;
  /**
   * Readers use an index only once its transaction is durable; writers keep it from the moment it is built.
   */
  ready = true;
  dropped = false;
  /** The bits of `multikey` that are on disk. */
  storedMultikey: number;

  constructor(
    readonly id: number,
    readonly definition: Document,
    public multikey: number,
  ) {
    this.storedMultikey = multikey;
    this.key = definition['key'] as Document;
    this.name = definition['name'] as string;
    this.unique = definition['unique'] === true;
    this.sparse = definition['sparse'] === true;
    this.partial = definition['partialFilterExpression'] as Document | undefined;
    this.covers = this.partial === undefined ? undefined : compileFilter(this.partial);
    this.fields = Object.entries(this.key).map(([path, direction]) => ({
      path,
      parts: path.split('.'),
      direction: Number(direction) < 0 ? -1 : 1,
    }));
    const partialFields = this.partial === undefined ? new Set<string>() : fieldsOfFilter(this.partial);
    const own = this.fields.map((field) => field.parts[0]!);
    this.needs = partialFields === undefined ? undefined : new Set([...own, ...partialFields]);
  }

  /** Whether arrays make it possible that one document has several entries that differ in this field. */
  isMultikeyAt(fieldIndex: number): boolean {
    return (this.multikey & (1 << fieldIndex)) !== 0;
  }
}

const acceptedOptions = new Set([
  'key',
  'name',
  'v',
  'unique',
  'sparse',
  'background',
  'partialFilterExpression',
  'hidden',
  'ns',
  'collation',
]);

const refusedOptions: Readonly<Record<string, string>> = {
  expireAfterSeconds: 'TTL indexes are not supported by the embedded server',
  weights: 'text indexes are not supported by the embedded server',
  default_language: 'text indexes are not supported by the embedded server',
  language_override: 'text indexes are not supported by the embedded server',
  textIndexVersion: 'text indexes are not supported by the embedded server',
  '2dsphereIndexVersion': 'geospatial indexes are not supported by the embedded server',
  bits: 'geospatial indexes are not supported by the embedded server',
  min: 'geospatial indexes are not supported by the embedded server',
  max: 'geospatial indexes are not supported by the embedded server',
  wildcardProjection: 'wildcard indexes are not supported by the embedded server',
  storageEngine: 'storageEngine options are not supported by the embedded server',
  clustered: 'clustered indexes are not supported by the embedded server',
  prepareUnique: 'prepareUnique is not supported by the embedded server',
};

/**
 * Checks an index specification of `createIndexes` and returns it in the form that `listIndexes` shows.
 * @throws code 67 for what the server cannot build, 197 for options that MongoDB does not know either
 */
export function parseIndexSpec(spec: unknown): Document {
  if (!isDocument(spec)) throw serverError(14, 'each index specification must be an object');
  const key = spec['key'];
  if (!isDocument(key))
    throw serverError(9, "The 'key' field is a required property of an index specification");
  const name = spec['name'];
  if (typeof name !== 'string' || name === '') {
    throw serverError(9, "The 'name' field is a required property of an index specification");
  }
  checkKey(key);
  checkOptions(spec);
  const out: Document = { v: 2, key, name };
  if (spec['unique'] === true) out['unique'] = true;
  if (spec['sparse'] === true) out['sparse'] = true;
  if (spec['partialFilterExpression'] !== undefined) {
    out['partialFilterExpression'] = checkPartial(spec);
  }
  return out;
}

function checkKey(key: Document): void {
  const paths = Object.keys(key);
  if (paths.length === 0) throw cannotCreateIndex('Index keys cannot be empty.');
  if (paths.length > 30) throw cannotCreateIndex('the embedded server allows at most 30 fields in an index');
  for (const path of paths) {
    const value = key[path];
    if (typeof value === 'string') {
      throw cannotCreateIndex(
        `${value} indexes are not supported by the embedded server: ${describeValue(key)}`,
      );
    }
    if (path === '$**' || path.endsWith('.$**')) {
      throw cannotCreateIndex('wildcard indexes are not supported by the embedded server');
    }
    const number = typeof value === 'object' && value !== null ? Number(value) : value;
    if (typeof number !== 'number' || number === 0 || Number.isNaN(number)) {
      throw cannotCreateIndex(
        `Values in v:2 index key pattern cannot be of type ${typeof value}. Only numbers > 0, numbers < 0, and ` +
          'strings are allowed.',
      );
    }
    if (path === '' || path.split('.').includes(''))
      throw cannotCreateIndex('Index keys cannot contain an empty field.');
    if (path.startsWith('$')) {
      throw cannotCreateIndex("Index key contains an illegal field name: field name starts with '$'.");
    }
  }
}

function checkOptions(spec: Document): void {
  for (const [option, value] of Object.entries(spec)) {
    const refused = refusedOptions[option];
    if (refused !== undefined) throw cannotCreateIndex(refused);
    if (!acceptedOptions.has(option)) {
      const shown = describeValue(spec);
      throw serverError(
        197,
        `The field '${option}' is not valid for an index specification. Specification: ${shown}`,
      );
    }
    if (option === 'collation' && !isSimpleCollation(value)) {
      throw cannotCreateIndex('indexes with a collation are not supported by the embedded server');
    }
    if (option === 'hidden' && value === true) {
      throw cannotCreateIndex('hidden indexes are not supported by the embedded server');
    }
  }
}

/** True for no collation and for `{ locale: 'simple' }`, which compares strings by their bytes. */
export function isSimpleCollation(collation: unknown): boolean {
  if (collation === undefined || collation === null) return true;
  return isDocument(collation) && (collation['locale'] === 'simple' || Object.keys(collation).length === 0);
}

const partialOperators = new Set(['$eq', '$in', '$gt', '$gte', '$lt', '$lte', '$exists', '$type']);

function checkPartial(spec: Document): Document {
  const filter = spec['partialFilterExpression'];
  if (!isDocument(filter)) {
    throw cannotCreateIndex("The field 'partialFilterExpression' must be an object");
  }
  if (spec['sparse'] === true) {
    throw cannotCreateIndex('cannot mix "partialFilterExpression" and "sparse" options');
  }
  checkPartialFilter(filter);
  compileFilter(filter);
  return filter;
}

function checkPartialFilter(filter: Document): void {
  for (const [path, condition] of Object.entries(filter)) {
    if (path === '$and' || path === '$or') {
      for (const part of Array.isArray(condition) ? (condition as unknown[]) : []) {
        if (isDocument(part)) checkPartialFilter(part);
      }
      continue;
    }
    if (path.startsWith('$')) throw cannotCreateIndex(`unsupported expression in partial index: ${path}`);
    if (!isDocument(condition)) continue;
    for (const [operator, operand] of Object.entries(condition)) {
      const exists = operator !== '$exists' || operand === true || operand === 1;
      if (operator.startsWith('$') && !(partialOperators.has(operator) && exists)) {
        throw cannotCreateIndex(`unsupported expression in partial index: ${path} ${operator}`);
      }
    }
  }
}

const signatureOf = (definition: Document): Document => ({
  key: definition['key'],
  unique: definition['unique'] === true,
  sparse: definition['sparse'] === true,
  partial: definition['partialFilterExpression'] ?? null,
});

/** Compares key patterns by value and order; 1 and 1.0 are the same direction. */
export function sameKeyPattern(a: Document, b: Document): boolean {
  const left = Object.entries(a);
  const right = Object.entries(b);
  return (
    left.length === right.length &&
    left.every(([path, direction], i) => {
      const other = right[i]!;
      return other[0] === path && Number(direction) === Number(other[1]);
    })
  );
}

/**
 * Whether an index to be created exists already.
 * @throws 85 or 86 when one exists that is like it in name or key but not the same
 */
export function existsAlready(wanted: Document, existing: readonly IndexInfo[]): boolean {
  for (const index of existing) {
    const sameKey = sameKeyPattern(index.key, wanted['key'] as Document);
    const same =
      sameKey &&
      identicalValues({ ...signatureOf(index.definition), key: 0 }, { ...signatureOf(wanted), key: 0 });
    const sameName = index.name === wanted['name'];
    if (same && sameName) return true;
    const shown = `Requested index: ${describeValue(wanted)}, existing index: ${describeValue(index.definition)}`;
    if (same) {
      throw indexOptionsConflict(`Index already exists with a different name: ${index.name}`);
    }
    if (sameName && sameKey) {
      throw indexKeySpecsConflict(
        `An equivalent index already exists with the same name but different options. ${shown}`,
      );
    }
    if (sameName) {
      throw indexKeySpecsConflict(
        'An existing index has the same name as the requested index. When index names are not specified, they are ' +
          `auto generated and can cause conflicts. Please refer to our documentation. ${shown}`,
      );
    }
  }
  return false;
}
