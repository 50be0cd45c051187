import { compileWithNames } from './aggregate-expressions.js';
import { groupStage } from './aggregate-group.js';
import { lookupStage } from './aggregate-lookup.js';
import type { Scope, Variables } from './aggregate-values.js';
import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { fieldsOf, isDocument, rankOf, setOwn, typeNameOf, TypeRank, type Document } from './bson-types.js';
import { serverError, unknownStage } from './errors.js';
import { compileFilter } from './match.js';
import { compileAddFields, compileTree, readEntries } from './project-tree.js';
import { sortDocuments } from './sort.js';

/** One compiled stage. */
export type Stage = (documents: Iterable<Document>) => Iterable<Document>;
/** What stages may use. */
export type StageContext = {
  readonly lookup: (collection: string, filter?: Document) => Iterable<Document>;
  readonly let?: Variables;
};
type StageBuilder = (argument: unknown, context: StageContext) => Stage;

/** Reads the stages of a pipeline. @throws CommandError 40323, 40324 and the codes of the stages */
export function compileStages(stages: readonly Document[], context: StageContext): Stage[] {
  return stages.map((stage) => {
    const keys = isDocument(stage) ? Object.keys(stage) : [];
    if (keys.length !== 1) {
      throw serverError(40323, 'A pipeline stage specification object must contain exactly one field.');
    }
    const name = keys[0]!;
    const build = STAGES.get(name);
    if (!build) throw unknownStage(name);
    return build(stage[name], context);
  });
}

const namesOf = (context: StageContext): ReadonlySet<string> => new Set(Object.keys(context.let ?? {}));

function scopeMaker(context: StageContext): (root: Document) => Scope {
  const variables = { NOW: new Date(), ...context.let };
  return (root) => ({ root, variables });
}

function mapDocuments(change: (document: Document) => Document): Stage {
  return function* (documents) {
    for (const document of documents) yield change(document);
  };
}

const requireDocument = (name: string, code: number, value: unknown): Document => {
  if (isDocument(value)) return value;
  throw serverError(code, `the ${name} specification must be an object, but found ${typeNameOf(value)}`);
};

const match: StageBuilder = (argument, context) => {
  const matches = compileFilter(requireDocument('$match', 15959, argument), { let: context.let });
  return function* (documents) {
    for (const document of documents) if (matches(document)) yield document;
  };
};

const project: StageBuilder = (argument, context) => {
  const spec = requireDocument('$project', 15969, argument);
  if (Object.keys(spec).length === 0) {
    throw serverError(
      51272,
      'Invalid $project :: caused by :: projection specification must have at least one field',
    );
  }
  const { apply } = compileTree(readEntries(spec, namesOf(context)), 'inclusion');
  const scope = scopeMaker(context);
  return mapDocuments((document) => apply(document, scope(document)));
};

const addFields: StageBuilder = (argument, context) => {
  const apply = compileAddFields(requireDocument('$addFields', 40272, argument), namesOf(context));
  const scope = scopeMaker(context);
  return mapDocuments((document) => apply(document, scope(document)));
};

const unset: StageBuilder = (argument, context) => {
  const paths: unknown[] = Array.isArray(argument) ? argument : [argument];
  if (paths.length === 0 || !paths.every((path) => typeof path === 'string')) {
    throw serverError(
      31002,
      '$unset specification must be a string or an array containing only string values',
    );
  }
  return project(Object.fromEntries(paths.map((path) => [path, 0])), context);
};

const sort: StageBuilder = (argument) => {
  const spec = requireDocument('$sort', 15973, argument);
  if (Object.keys(spec).length === 0) throw serverError(15976, '$sort stage must have at least one sort key');
  return (documents) => sortDocuments(documents, spec);
};

function countArgument(name: string, code: number, argument: unknown, least: bigint): number {
  const number = argument !== undefined && rankOf(argument) === TypeRank.number;
  const value = number ? exactInteger(argument as BsonNumber) : undefined;
  if (value === undefined || value < least) {
    throw serverError(code, `invalid argument to ${name} stage: Expected a number of at least ${least}`);
  }
  return Number(value);
}

const limit: StageBuilder = (argument) => {
  const most = countArgument('$limit', 15958, argument, 1n);
  return function* (documents) {
    let taken = 0;
    for (const document of documents) {
      yield document;
      taken += 1;
      if (taken === most) return;
    }
  };
};

const skip: StageBuilder = (argument) => {
  const first = countArgument('$skip', 5107200, argument, 0n);
  return function* (documents) {
    let seen = 0;
    for (const document of documents) {
      if (seen >= first) yield document;
      seen += 1;
    }
  };
};

/** An empty input gives no document, not a zero. */
const count: StageBuilder = (argument) => {
  if (typeof argument !== 'string' || argument === '') {
    throw serverError(40156, 'the count field must be a non-empty string');
  }
  if (argument.startsWith('$')) throw serverError(40158, 'the count field cannot be a $-prefixed path');
  if (argument.includes('.')) throw serverError(40160, "the count field cannot contain '.'");
  return function* (documents) {
    const total = [...documents].length;
    if (total === 0) return;
    const result: Document = {};
    setOwn(result, argument, total);
    yield result;
  };
};

function replacement(argument: unknown, context: StageContext): Stage {
  const evaluate = compileWithNames(argument, namesOf(context));
  const scope = scopeMaker(context);
  return mapDocuments((document) => {
    const value = evaluate(scope(document));
    const fields = fieldsOf(value);
    if (fields) return fields;
    throw serverError(
      40228,
      `'newRoot' expression  must evaluate to an object, but resulting value was of type: ` +
        typeNameOf(value),
    );
  });
}

const replaceRoot: StageBuilder = (argument, context) => {
  const spec = requireDocument('$replaceRoot', 40229, argument);
  if (!Object.hasOwn(spec, 'newRoot'))
    throw serverError(40231, 'no newRoot specified for the $replaceRoot stage');
  return replacement(spec['newRoot'], context);
};

const sortByCount: StageBuilder = (argument, context) => {
  const group = groupStage({ _id: argument, count: { $sum: 1 } }, context);
  return (documents) => sortDocuments(group(documents), { count: -1 });
};

const facet: StageBuilder = (argument, context) => {
  const spec = requireDocument('$facet', 40169, argument);
  const branches = Object.keys(spec).map((name) => {
    const stages = spec[name];
    if (!Array.isArray(stages))
      throw serverError(40170, `arguments to $facet must be arrays, ${name} is not`);
    if (stages.some((stage) => isDocument(stage) && Object.hasOwn(stage, '$facet'))) {
      throw serverError(40600, '$facet is not allowed to be used within a $facet stage');
    }
    return { name, compiled: compileStages(stages as Document[], context) };
  });
  return function* (documents) {
    const input = [...documents];
    const result: Document = {};
    for (const { name, compiled } of branches) {
      let output: Iterable<Document> = input;
      for (const stage of compiled) output = stage(output);
      setOwn(result, name, [...output]);
    }
    yield result;
  };
};

type UnwindSpec = { readonly path: string; readonly index: string | undefined; readonly preserve: boolean };

function unwindSpec(argument: unknown): UnwindSpec {
  const spec: Document =
    typeof argument === 'string' ? { path: argument } : requireDocument('$unwind', 15981, argument);
  const { path, includeArrayIndex, preserveNullAndEmptyArrays = false, ...others } = spec;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw serverError(28811, `unrecognized option to $unwind stage: ${unknown}`);
  if (typeof path !== 'string') throw serverError(28812, 'no path specified to $unwind stage');
  if (!path.startsWith('$') || path.length < 2) {
    throw serverError(28818, `path option to $unwind stage should be prefixed with a '$': ${path}`);
  }
  if (typeof preserveNullAndEmptyArrays !== 'boolean') {
    throw serverError(28809, 'expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage');
  }
  if (
    includeArrayIndex !== undefined &&
    (typeof includeArrayIndex !== 'string' || includeArrayIndex === '')
  ) {
    throw serverError(28810, 'expected a non-empty string for the includeArrayIndex option to $unwind stage');
  }
  return {
    path: path.slice(1),
    index: includeArrayIndex as string | undefined,
    preserve: preserveNullAndEmptyArrays,
  };
}

/** Copies the documents on the way to a path and sets or removes what is there. */
function withPath(document: Document, parts: readonly string[], value: unknown): Document {
  const [part = '', ...rest] = parts;
  const copy = { ...document };
  if (rest.length > 0) setOwn(copy, part, withPath(fieldsOf(copy[part]) ?? {}, rest, value));
  else if (value === undefined) delete copy[part];
  else setOwn(copy, part, value);
  return copy;
}

/** `$unwind` does not enter arrays on the way to its path. */
const readStrict = (document: Document, parts: readonly string[]): unknown => {
  let value: unknown = document;
  for (const part of parts) {
    const fields = fieldsOf(value);
    value = fields && Object.hasOwn(fields, part) ? fields[part] : undefined;
  }
  return value;
};

const unwind: StageBuilder = (argument) => {
  const { path, index, preserve } = unwindSpec(argument);
  const parts = path.split('.');
  const indexed = (document: Document, position: number | null): Document =>
    index === undefined ? document : withPath(document, index.split('.'), position);
  return function* (documents) {
    for (const document of documents) {
      const value = readStrict(document, parts);
      if (Array.isArray(value) && value.length > 0) {
        for (const [i, element] of value.entries()) yield indexed(withPath(document, parts, element), i);
      } else if (Array.isArray(value)) {
        if (preserve) yield indexed(withPath(document, parts, undefined), null);
      } else if (preserve || (value !== null && value !== undefined)) yield indexed(document, null);
    }
  };
};

const STAGES: ReadonlyMap<string, StageBuilder> = new Map<string, StageBuilder>([
  ['$match', match],
  ['$project', project],
  ['$addFields', addFields],
  ['$set', addFields],
  ['$unset', unset],
  ['$sort', sort],
  ['$limit', limit],
  ['$skip', skip],
  ['$count', count],
  ['$group', groupStage],
  ['$unwind', unwind],
  ['$replaceRoot', replaceRoot],
  ['$replaceWith', replacement],
  ['$sortByCount', sortByCount],
  ['$facet', facet],
  ['$lookup', (argument, context) => lookupStage(argument, context, compileStages)],
]);
