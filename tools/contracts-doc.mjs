// `npm run docs`: writes docs/contracts.md from the schemas of @muster/contracts as they were built. The same schemas
// always give the same text; contracts-doc.spec.ts fails when the file on record is another.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ALL_EVENTS } from '@muster/contracts/all-events';
import { ALL_SUBJECTS } from '@muster/contracts/all-subjects';
import * as account from '@muster/contracts/account';
import * as audience from '@muster/contracts/audience';
import * as consent from '@muster/contracts/consent';
import * as contact from '@muster/contracts/contact';
import * as detail from '@muster/contracts/detail';
import * as envelope from '@muster/contracts/envelope';
import { ERRORS, isRetryable } from '@muster/contracts/errors';
import { EventMeta } from '@muster/contracts/event';
import * as field from '@muster/contracts/field';
import * as group from '@muster/contracts/group';
import * as ids from '@muster/contracts/ids';
import * as imports from '@muster/contracts/import';
import * as inbound from '@muster/contracts/inbound';
import { CATEGORIES, SERVICES, databaseName, streamName } from '@muster/contracts/names';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '..');
export const file = join(root, 'docs/contracts.md');

/** Queries that services outside Muster may send over NATS, and what they are for. */
const OUTSIDE = {
  'groups.qry.resolve-audience': 'the recipients of a message, page by page',
  'groups.qry.find-members': 'contacts of a group that fit a query',
  'compliance.qry.can-send': 'the send gate, just before a message leaves',
  'compliance.qry.changes-since': 'what changed since the position of an answer that is kept',
};

const OWNERS = {
  account: 'gateway',
  contact: 'contacts',
  fields: 'contacts',
  consent: 'compliance',
  group: 'groups',
  membership: 'groups',
  audience: 'groups',
  import: 'imports',
  inbound: 'inbound',
  endpoint: 'inbound',
  keyword: 'inbound',
};

const byName = ([a], [b]) => (a < b ? -1 : 1);

/** Schemas that have a name of their own: tables refer to them instead of repeating them. */
const SHAPES = new Map(
  [ids, envelope, detail, account, contact, field, consent, group, audience, imports, inbound]
    .flatMap((module) => Object.entries(module))
    .filter(([name, value]) => value instanceof z.ZodType && /^[A-Z]/.test(name))
    .sort(byName)
    .map(([name, schema]) => [schema, name]),
);

/** The order of exports differs between loaders, and the text must not. */
const SUBJECTS = [...ALL_SUBJECTS].sort((a, b) => (a.subject < b.subject ? -1 : 1));

/** JSON schema of a schema, with a reference in the place of each named one below it. */
function jsonSchema(schema) {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema: made }) {
      const name = SHAPES.get(zodSchema);
      if (name === undefined || zodSchema === schema) return;
      const { default: byDefault } = made;
      for (const key of Object.keys(made)) delete made[key];
      Object.assign(made, { $ref: name, ...(byDefault === undefined ? {} : { default: byDefault }) });
    },
  });
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text) => `\`${text}\``;
const link = (name) => `[${name}](#${name.toLowerCase()})`;

function table(head, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

const PLURALS = { character: 'characters', entry: 'entries' };
const count = (number, noun) => `${number} ${number === 1 ? noun : PLURALS[noun]}`;

const SAFE_INTEGERS = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

/** Bounds of a text, number or list, in words; nothing for bounds that only say "any safe integer". */
function bounds(node) {
  const { minimum, maximum, exclusiveMinimum, minLength, maxLength, minItems, maxItems, pattern, format } =
    node;
  const least = exclusiveMinimum === undefined ? minimum : exclusiveMinimum + 1;
  const words = [
    [format && format !== 'uuid' && format !== 'date-time', `as ${format}`],
    [least !== undefined && !SAFE_INTEGERS.includes(least), `at least ${least}`],
    [maximum !== undefined && !SAFE_INTEGERS.includes(maximum), `at most ${maximum}`],
    [minLength === maxLength && maxLength !== undefined, `${maxLength} characters`],
    [minLength > 0 && minLength !== maxLength, `at least ${count(minLength, 'character')}`],
    [maxLength !== undefined && minLength !== maxLength, `at most ${count(maxLength, 'character')}`],
    [minItems > 0, `at least ${count(minItems, 'entry')}`],
    [maxItems !== undefined, `at most ${count(maxItems, 'entry')}`],
    [pattern !== undefined && format === undefined, `matches ${code(pattern)}`],
  ];
  return words.filter(([applies]) => applies).map(([, text]) => text);
}

/** The type of a JSON schema node in a few words; objects without a name are written out. */
function typeOf(node) {
  if (node.$ref !== undefined) return link(node.$ref);
  if (node.const !== undefined) return code(JSON.stringify(node.const));
  if (node.enum !== undefined) return node.enum.map((value) => code(JSON.stringify(value))).join(' or ');
  const choices = node.anyOf ?? node.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  if (node.type === 'array') return `list of ${bracketed(node.items)}`;
  if (node.type !== 'object') {
    const limits = bounds(node);
    const type = [node.type ?? 'anything'].flat().join(' or ');
    return limits.length === 0 ? type : `${type} (${limits.join(', ')})`;
  }
  if (node.properties === undefined) {
    const keys = node.propertyNames === undefined ? 'text' : typeOf(node.propertyNames);
    return `object, ${keys} → ${typeOf(node.additionalProperties ?? {})}`;
  }
  const required = node.required ?? [];
  const parts = Object.entries(node.properties).map(
    ([name, inner]) => `${name}${required.includes(name) ? '' : '?'}: ${typeOf(inner)}`,
  );
  return `{ ${parts.join(', ')} }`;
}

const bracketed = (node) => (node.anyOf || node.oneOf || node.enum ? `(${typeOf(node)})` : typeOf(node));

function notesOf(node) {
  const byDefault = node.default === undefined ? [] : [`default ${code(JSON.stringify(node.default))}`];
  const size = node.type === 'array' ? bounds(node) : [];
  return [...size, ...byDefault, ...(node.description ? [node.description] : [])].join('; ');
}

/** A table of the properties of an object, or one line for anything else. */
function properties(node) {
  const entries = Object.entries(node.properties ?? {});
  if (entries.length === 0)
    return node.type === 'object' && node.properties ? 'Nothing.' : `${typeOf(node)}.`;
  const required = node.required ?? [];
  const rows = entries.map(([name, inner]) => [
    code(name),
    typeOf(inner),
    required.includes(name) ? 'yes' : '',
    notesOf(inner),
  ]);
  return table(['property', 'type', 'required', 'notes'], rows);
}

function subjectSection(subject) {
  const { timeoutMs, summary } = subject;
  return [
    `#### ${code(subject.subject)}`,
    `${summary} The caller waits ${timeoutMs / 1000} s.`,
    `Input:\n\n${properties(jsonSchema(subject.input))}`,
    `Output:\n\n${properties(jsonSchema(subject.output))}`,
  ];
}

function subjectsOf(service) {
  const own = SUBJECTS.filter((subject) => subject.service === service);
  if (own.length === 0) return [];
  const kinds = [
    ['Commands', 'cmd'],
    ['Queries', 'qry'],
  ];
  return [
    `### ${service}`,
    ...kinds.flatMap(([title, kind]) => {
      const some = own.filter((subject) => subject.kind === kind);
      return some.length === 0 ? [] : [`**${title}**`, ...some.flatMap(subjectSection)];
    }),
  ];
}

function eventSection(event) {
  const node = jsonSchema(event.schema);
  const rows = Object.entries(node.properties ?? {}).map(([name, inner]) => [
    code(name),
    typeOf(inner),
    (node.required ?? []).includes(name) ? 'yes' : '',
    [event.personal.includes(name) ? '**personal**' : '', notesOf(inner)].filter(Boolean).join('; '),
  ]);
  return [
    `#### ${event.type}`,
    `Version ${event.schemaVersion}.`,
    rows.length === 0 ? 'No data.' : table(['property', 'type', 'required', 'notes'], rows),
    `\`\`\`json\n${JSON.stringify(event.example, null, 2)}\n\`\`\``,
  ];
}

function eventsOf(category) {
  const own = ALL_EVENTS.filter((event) => event.category === category);
  if (own.length === 0) return [];
  return [
    `### Stream category ${code(category)}`,
    `Owner: ${OWNERS[category]}.`,
    ...own.flatMap(eventSection),
  ];
}

function streamsTable() {
  const rows = CATEGORIES.filter((category) => OWNERS[category] !== undefined).map((category) => {
    const one = category === 'account' || category === 'fields';
    const id = { consent: '<detail key>', inbound: '<hash of provider and message id>' }[category];
    return [
      code(streamName(category, '<account>', one ? undefined : (id ?? `<${idName(category)}>`))),
      OWNERS[category],
      ALL_EVENTS.filter((event) => event.category === category)
        .map((event) => link(event.type))
        .join(', '),
    ];
  });
  return table(['stream', 'owner', 'events'], rows);
}

const idName = (category) => (category === 'membership' ? 'groupId' : `${category}Id`);

/** Every named shape that something in the text refers to, in the order of the alphabet. */
function shapesIn(text) {
  const schemas = new Map([...SHAPES].map(([schema, name]) => [name, schema]));
  const sections = new Map();
  const visit = (part) => {
    for (const [, name] of part.matchAll(/\]\(#([a-z]+)\)/g)) {
      const found = [...schemas.keys()].find((known) => known.toLowerCase() === name);
      if (found === undefined || sections.has(found)) continue;
      const node = jsonSchema(schemas.get(found));
      const described = node.description === undefined ? [] : [`${node.description}.`];
      const section = [`### ${found}`, ...described, properties(node)].join('\n\n');
      sections.set(found, section);
      visit(section);
    }
  };
  visit(text);
  return [...sections].sort(byName).map(([, section]) => section);
}

const INTRODUCTION = `# Contracts

Made by \`npm run docs\` from the schemas in [libs/contracts/src](../libs/contracts/src). Do not edit: change a schema and
run it again.

What stands here is what services say to each other, and what they keep. Input and output are JSON. A property that is
not "required" may be left out; one with a default is always there when a handler reads it or an answer arrives. Unknown
properties are dropped. Changes are additive: a property may be added, none is renamed, taken away or given another
meaning. The HTTP API is another contract: it is at \`/v1/openapi.json\` of every gateway, and to read at \`/docs\`.`;

const OVER_NATS = `A request is sent to its subject, as Nest's NATS transport frames it: \`{ "pattern": <subject>, "id": <any text>, "data":
{ "envelope": …, "payload": <input> } }\`. The answer is \`{ "response": <output> }\` or \`{ "err": { "code", "message",
"data", "retryable" } }\`. A request is at most 512 KiB with its envelope. A command may be repeated with the same
\`command\` id: it is done once. After \`service:timeout\` the outcome is not known, so repeat it.

The envelope of every request:`;

const EVENTS = `An event is read from its stream by the service that owns it, and by those that project it. Properties marked
**personal** are stored encrypted; when their key is destroyed they are absent. All the others are stored in the clear, so
none of them may say anything about a person. Every event carries this metadata:`;

/** The whole text of docs/contracts.md. */
export function generate() {
  const outside = Object.entries(OUTSIDE).map(([subject, purpose]) => {
    if (!SUBJECTS.some((known) => known.subject === subject)) throw new Error(`no subject ${subject}`);
    return [`[${code(subject)}](#${subject.replaceAll('.', '')})`, purpose];
  });
  const errors = Object.entries(ERRORS).map(([name, sentence]) => [
    code(name),
    sentence,
    isRetryable(name) ? 'yes' : '',
  ]);
  const databases = [...SERVICES, 'keys'].map((owner) => code(databaseName(owner))).join(', ');
  const body = [
    '## Queries for services outside Muster',
    'These may be sent over NATS by other services of the platform. They are public contracts.',
    table(['subject', 'for'], outside),
    '## Requests',
    OVER_NATS,
    properties(jsonSchema(envelope.Envelope)),
    ...SERVICES.flatMap(subjectsOf),
    '## Streams',
    'No name of a stream holds personal data.',
    streamsTable(),
    `Databases: ${databases}. A service reads and writes its own; what is in them is nobody else's contract.`,
    '## Events',
    EVENTS,
    properties(jsonSchema(EventMeta)),
    ...CATEGORIES.flatMap(eventsOf),
  ];
  const errorsSection = [
    '## Error codes',
    'A code is `<noun>:<reason>`. "Again" says whether the same request may succeed later, unchanged.',
    table(['code', 'what to do', 'again'], errors),
  ];
  const text = body.join('\n\n');
  return `${[INTRODUCTION, text, '## Shapes', ...shapesIn(text), ...errorsSection].join('\n\n')}\n`;
}

if (process.argv[1] === import.meta.filename) {
  const text = generate();
  let before = '';
  try {
    before = readFileSync(file, 'utf8');
  } catch {
    // The first time, there is none.
  }
  writeFileSync(file, text);
  console.log(before === text ? 'docs/contracts.md is up to date' : 'docs/contracts.md is written');
}
