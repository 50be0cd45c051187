import { runPipeline } from './aggregate.js';
import type { Variables } from './aggregate-values.js';
import { identicalValues } from './bson-order.js';
import { cloneValue, describeValue, isDocument, isRegex, typeNameOf, type Document } from './bson-types.js';
import { badValue, failedToParse, immutableField, invalidOptions, serverError } from './errors.js';
import { parseFilter } from './match.js';
import { valueAtPath } from './path.js';
import { arrayOperators } from './update-arrays.js';
import { fieldOperators, modifierFields, type Change } from './update-operators.js';
import { changeAt, comparePaths, isPositional, PathSet, resolvePath, updateParts } from './update-path.js';
import { matchedIndex, parseArrayFilters, type ElementFilter } from './update-positional.js';
import { idFirst } from './update-upsert.js';

export { seedUpsert } from './update-upsert.js';

/** A replacement document, an operator document, or a pipeline. */
export type Update = Document | readonly Document[];
export type UpdateOptions = {
  readonly arrayFilters?: readonly Document[];
  /** The filter that the document met; needed by a positional `$`. */
  readonly filter?: Document;
  /** True for the insert of an upsert: `$setOnInsert` applies, and `_id` may be given. */
  readonly isInsert?: boolean;
  /** The time of `$currentDate` and `$$NOW`. */
  readonly now?: Date;
  /** Variables of a pipeline update. */
  readonly let?: Variables;
};
export type UpdateResult = { readonly doc: Document; readonly changed: boolean };

/** True for `{$set: ...}`; false for a replacement. */
export const isOperatorUpdate = (update: Update): boolean =>
  !Array.isArray(update) && (Object.keys(update)[0] ?? '').startsWith('$');

const PIPELINE_STAGES = new Set(['$set', '$addFields', '$unset', '$project', '$replaceRoot', '$replaceWith']);

/**
 * Applies an update to a document and leaves the given one untouched.
 * @returns the new document, and whether any stored byte differs
 * @throws CommandError with MongoDB's code: 9, 2, 14, 28, 40, 52, 56, 66 ...
 */
export function applyUpdate(document: Document, update: Update, options: UpdateOptions = {}): UpdateResult {
  const updated = run(document, update, options);
  if (Object.hasOwn(document, '_id') && !identicalValues(document['_id'], updated['_id'])) {
    throw immutableField('_id');
  }
  checkId(updated['_id']);
  const doc = idFirst(updated);
  return { doc, changed: !identicalValues(document, doc) };
}

/** @throws CommandError 53 for an `_id` that cannot be indexed uniquely, 52 for `$` names inside it */
export function checkId(id: unknown): void {
  if (Array.isArray(id) || isRegex(id)) {
    throw serverError(53, `The '_id' value cannot be of type ${typeNameOf(id)}`);
  }
  const dollar = isDocument(id) ? Object.keys(id).find((key) => key.startsWith('$')) : undefined;
  if (dollar !== undefined) {
    throw serverError(
      52,
      `The dollar ($) prefixed field '${dollar}' in '_id.${dollar}' is not valid for storage.`,
    );
  }
}

function run(document: Document, update: Update, options: UpdateOptions): Document {
  if (Array.isArray(update)) return applyPipeline(document, update as readonly Document[], options);
  if (options.arrayFilters?.length && !isOperatorUpdate(update)) {
    throw failedToParse('arrayFilters may not be specified for replacement-style updates');
  }
  return isOperatorUpdate(update)
    ? applyOperators(document, update as Document, options)
    : replace(document, update as Document);
}

function replace(document: Document, replacement: Document): Document {
  const dollar = Object.keys(replacement).find((key) => key.startsWith('$'));
  if (dollar !== undefined) {
    throw serverError(
      52,
      `The dollar ($) prefixed field '${dollar}' in '${dollar}' is not valid for storage.`,
    );
  }
  const copy = cloneValue(replacement);
  if (Object.hasOwn(copy, '_id') || !Object.hasOwn(document, '_id')) return copy;
  return { _id: document['_id'], ...copy };
}

function applyPipeline(document: Document, pipeline: readonly Document[], options: UpdateOptions): Document {
  if (options.arrayFilters?.length)
    throw failedToParse('arrayFilters may not be specified for pipeline-syle updates');
  for (const stage of pipeline) {
    const name = Object.keys(stage)[0] ?? '';
    if (!PIPELINE_STAGES.has(name))
      throw invalidOptions(`${name} is not allowed to be used within an update`);
  }
  const variables = { ...options.let, NOW: options.now ?? new Date() };
  const [result = {}] = runPipeline(pipeline, [cloneValue(document)], { lookup: () => [], let: variables });
  if (Object.hasOwn(result, '_id') || !Object.hasOwn(document, '_id')) return cloneValue(result);
  return { _id: document['_id'], ...cloneValue(result) };
}

/** One path of an update with its prepared operator. */
type Step = {
  readonly path: string;
  readonly parts: readonly string[];
  readonly creates: boolean;
  readonly change: Change;
  /** The source of a `$rename`. */
  readonly from?: readonly string[];
};

function applyOperators(document: Document, update: Document, options: UpdateOptions): Document {
  const filters = parseArrayFilters(options.arrayFilters ?? []);
  const steps = prepareSteps(update, options.isInsert ?? false);
  rejectUnusedFilters(filters, steps, update);
  const result = cloneValue(document);
  const idText = `_id: ${describeValue(document['_id'])}`;
  const now = options.now ?? new Date();
  for (const step of resolveSteps(document, steps, filters, options)) {
    if (step.from) rename(result, step.from, step.parts);
    else {
      const context = { path: step.path, idText, now };
      changeAt(result, step.parts, step.creates, (current) => step.change(current, context));
    }
  }
  return result;
}

/** Checks the whole update first, so that a wrong argument is an error even if its path leads nowhere. */
function prepareSteps(update: Document, isInsert: boolean): Step[] {
  const steps: Step[] = [];
  const paths = new PathSet();
  for (const name of Object.keys(update)) {
    const fields = modifierFields(name, knownOperator(name, update[name]));
    for (const path of Object.keys(fields)) {
      const step =
        name === '$rename' ? renameStep(path, fields[path]) : prepareStep(name, path, fields[path]);
      if (step.from) paths.add(step.from);
      paths.add(step.parts);
      if (name !== '$setOnInsert' || isInsert) steps.push(step);
    }
  }
  return steps;
}

function knownOperator(name: string, value: unknown): unknown {
  if (name === '$rename' || fieldOperators.has(name) || arrayOperators.has(name)) return value;
  throw failedToParse(
    `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update ` +
      'specified as an array',
  );
}

function prepareStep(name: string, path: string, argument: unknown): Step {
  const operator = fieldOperators.get(name) ?? arrayOperators.get(name)!;
  const parts = updateParts(path);
  return { path, parts, creates: operator.creates, change: operator.prepare(argument, path) };
}

function renameStep(from: string, to: unknown): Step {
  if (typeof to !== 'string') {
    throw badValue(`The 'to' field for $rename must be a string: ${from}: ${describeValue(to)}`);
  }
  const [source, parts] = [updateParts(from), updateParts(to)];
  if (source.some(isPositional)) throw badValue(`The source field for $rename may not be dynamic: ${from}`);
  if (parts.some(isPositional)) throw badValue(`The destination field for $rename may not be dynamic: ${to}`);
  if (from === to) throw badValue(`The source and target field for $rename must differ: ${from}: "${to}"`);
  return { path: to, parts, creates: true, change: () => ({ kind: 'keep' }), from: source };
}

function rename(document: Document, from: readonly string[], to: readonly string[]): void {
  rejectArrays(document, from, 'source');
  const value = valueAtPath(document, from.join('.'));
  if (value === undefined) return;
  rejectArrays(document, to, 'destination');
  changeAt(document, to, true, () => ({ kind: 'set', value }));
  changeAt(document, from, false, () => ({ kind: 'remove' }));
}

function rejectArrays(document: Document, parts: readonly string[], role: 'source' | 'destination'): void {
  for (let i = 1; i < parts.length; i += 1) {
    if (Array.isArray(valueAtPath(document, parts.slice(0, i).join('.')))) {
      throw badValue(
        `The ${role} field cannot be an array element, '${parts.join('.')}' in doc with _id: ` +
          `${describeValue(document['_id'])} has an array field called '${parts[i - 1]}'`,
      );
    }
  }
}

function rejectUnusedFilters(
  filters: readonly ElementFilter[],
  steps: readonly Step[],
  update: Document,
): void {
  for (const { name } of filters) {
    if (!steps.some((step) => step.parts.includes(`$[${name}]`))) {
      throw failedToParse(
        `The array filter for identifier '${name}' was not used in the update ${describeValue(update)}`,
      );
    }
  }
}

/** The steps with concrete paths, in the order in which MongoDB applies them. */
function resolveSteps(
  document: Document,
  steps: readonly Step[],
  filters: readonly ElementFilter[],
  options: UpdateOptions,
): Step[] {
  const filter = options.filter && !options.isInsert ? parseFilter(options.filter) : undefined;
  const choice = {
    matchedIndex: (arrayPath: string) => filter && matchedIndex(filter, document, arrayPath),
    elementFilter: (name: string, path: string) => {
      const found = filters.find((each) => each.name === name);
      if (!found) throw badValue(`No array filter found for identifier '${name}' in path '${path}'`);
      return found.matches;
    },
  };
  const paths = new PathSet();
  const resolved = steps.flatMap((step) => {
    const concrete = resolvePath(document, step.parts, choice);
    for (const parts of concrete) paths.add(parts);
    return concrete.map((parts) => ({ ...step, parts }));
  });
  return resolved.sort((a, b) => comparePaths(a.parts, b.parts));
}
