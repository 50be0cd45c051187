import { compileWithNames } from './aggregate-expressions.js';
import type { Variables } from './aggregate-values.js';
import { encodeKey } from './bson-order.js';
import { fieldsOf, isDocument, isRegex, setOwn, typeNameOf, type Document } from './bson-types.js';
import { failedToParse } from './errors.js';
import { walkPath } from './path.js';

/** What `$lookup` needs from its pipeline; `compile` reads the stages of an inner pipeline. */
export type LookupContext = {
  readonly lookup: (collection: string, filter?: Document) => Iterable<Document>;
  readonly let?: Variables;
};
type Stage = (documents: Iterable<Document>) => Iterable<Document>;
type CompileStages = (stages: readonly Document[], context: LookupContext) => Stage[];

type LookupSpec = {
  readonly from: string;
  readonly as: readonly string[];
  readonly fields: { readonly local: string; readonly foreign: string } | undefined;
  readonly variables: Document;
  readonly pipeline: readonly Document[] | undefined;
};

/** More values than this are joined by reading the whole foreign collection. */
const MAX_FILTER_VALUES = 10_000;

/**
 * `$lookup`, by equality of fields, by a pipeline, or both. All keys of the input are asked for at once, so
 * an index of the foreign collection can serve them.
 */
export function lookupStage(argument: unknown, context: LookupContext, compileStages: CompileStages): Stage {
  const spec = readSpec(argument);
  const letNames = Object.keys(spec.variables);
  const outer = new Set(Object.keys(context.let ?? {}));
  const letValues = letNames.map((name) => compileWithNames(spec.variables[name], outer));
  const run = (document: Document, joined: Iterable<Document>): Document[] => {
    if (!spec.pipeline) return [...joined];
    const scope = { root: document, variables: { NOW: new Date(), ...context.let } };
    const bound = Object.fromEntries(letNames.map((name, i) => [name, letValues[i]!(scope)]));
    const inner = compileStages(spec.pipeline, { ...context, let: { ...context.let, ...bound } });
    return [...inner.reduce((documents, stage) => stage(documents), joined)];
  };
  return function* (documents) {
    const input = [...documents];
    const join = spec.fields ? equalityJoin(input, spec, context) : everything(spec.from, context);
    for (const document of input) yield assign(document, spec.as, run(document, join(document)));
  };
}

function readSpec(argument: unknown): LookupSpec {
  if (!isDocument(argument)) throw failedToParse('the $lookup specification must be an Object');
  const { from, as, localField, foreignField, let: variables = {}, pipeline, ...others } = argument;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw failedToParse(`unknown argument to $lookup: ${unknown}`);
  const text = (name: string, value: unknown): string => {
    if (typeof value === 'string' && value !== '') return value;
    throw failedToParse(`$lookup argument '${name}' must be a string, is type ${typeNameOf(value)}`);
  };
  const byFields = localField !== undefined || foreignField !== undefined;
  if (pipeline === undefined && !byFields) {
    throw failedToParse(
      "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
    );
  }
  if (pipeline !== undefined && !Array.isArray(pipeline))
    throw failedToParse("'pipeline' option must be an array");
  if (!isDocument(variables)) throw failedToParse("$lookup argument 'let' must be an object");
  return {
    from: text('from', from),
    as: text('as', as).split('.'),
    fields: byFields
      ? { local: text('localField', localField), foreign: text('foreignField', foreignField) }
      : undefined,
    variables,
    pipeline: pipeline as Document[] | undefined,
  };
}

type Join = (document: Document) => Iterable<Document>;

function everything(from: string, context: LookupContext): Join {
  let foreign: Document[] | undefined;
  return () => (foreign ??= [...context.lookup(from)]);
}

function equalityJoin(input: readonly Document[], spec: LookupSpec, context: LookupContext): Join {
  const { local, foreign } = spec.fields!;
  const values = new Map<string, unknown>();
  for (const document of input) {
    for (const value of localValues(document, local)) values.set(keyOf(value), value ?? null);
  }
  const wanted = [...values.values()];
  const selective = wanted.length <= MAX_FILTER_VALUES && !wanted.some(isRegex);
  const candidates = context.lookup(spec.from, selective ? { [foreign]: { $in: wanted } } : undefined);
  const byKey = new Map<string, number[]>();
  const foreignDocuments = [...candidates];
  for (const [position, document] of foreignDocuments.entries()) {
    for (const key of foreignKeys(document, foreign)) {
      if (!values.has(key)) continue;
      const bucket = byKey.get(key);
      if (bucket) bucket.push(position);
      else byKey.set(key, [position]);
    }
  }
  return (document) => {
    const keys = new Set(localValues(document, local).map(keyOf));
    const positions = new Set([...keys].flatMap((key) => byKey.get(key) ?? []));
    return [...positions].sort((a, b) => a - b).map((position) => foreignDocuments[position]!);
  };
}

const keyOf = (value: unknown): string => encodeKey(value).toString('latin1');

/** Elements of arrays count one by one; a document without any value joins as null. */
function localValues(document: Document, path: string): unknown[] {
  const found: unknown[] = [];
  collect(document, path.split('.'), 0, found);
  return found.length === 0 ? [null] : found;
}

function collect(value: unknown, parts: readonly string[], from: number, found: unknown[]): void {
  if (Array.isArray(value)) {
    if (from === parts.length) found.push(...(value as unknown[]));
    else for (const element of value) if (!Array.isArray(element)) collect(element, parts, from, found);
    return;
  }
  if (from === parts.length) {
    if (value !== undefined) found.push(value);
    return;
  }
  const fields = fieldsOf(value);
  const part = parts[from]!;
  if (fields && Object.hasOwn(fields, part)) collect(fields[part], parts, from + 1, found);
}

/** The keys by which a query for equality would find the document. */
function foreignKeys(document: Document, path: string): Set<string> {
  const keys = new Set<string>();
  walkPath(document, path.split('.'), 0, (value, expandable) => {
    if (expandable && Array.isArray(value)) for (const element of value) keys.add(keyOf(element));
    keys.add(keyOf(value));
    return false;
  });
  return keys;
}

function assign(document: Document, parts: readonly string[], value: unknown): Document {
  const [part = '', ...rest] = parts;
  const copy = { ...document };
  setOwn(copy, part, rest.length === 0 ? value : assign(fieldsOf(copy[part]) ?? {}, rest, value));
  return copy;
}
