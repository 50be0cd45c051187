import { fold } from './fold.js';
import { ALL_CONTACTS, BUILT_IN_PROPERTIES, type Property } from './properties.js';
import { RuleFault } from './rule-error.js';

export interface CatalogueField {
  key: string;
  name: string;
  type: 'text' | 'number' | 'date' | 'datetime' | 'boolean' | 'choice';
  choices?: readonly string[];
}

/** What a rule may speak of in one account. */
export interface FieldCatalogue {
  fields: readonly CatalogueField[];
  groups: readonly { id: string; name: string }[];
  /** ISO 3166-1 alpha-2; needed to read a number without its country, as in `phone = "054-123 4567"`. */
  defaultCountry?: string;
  /** IANA name of the account's zone, in which a date without time begins and ends. Default UTC. */
  timeZone?: string;
}

interface Index {
  byKey: Map<string, Property>;
  byFold: Map<string, Property>;
  groups: Map<string, string[]>;
}

const indexes = new WeakMap<FieldCatalogue, Index>();

/** A key names a path in the store, and a dot or a dollar sign would change which. */
const SAFE_KEY = /^[\p{L}_][\p{L}\p{N}_-]*$/u;

function indexOf(catalogue: FieldCatalogue): Index {
  const known = indexes.get(catalogue);
  if (known) return known;
  const index: Index = { byKey: new Map(), byFold: new Map(), groups: new Map() };
  const add = (property: Property, ...names: string[]) => {
    if (!index.byKey.has(property.key)) index.byKey.set(property.key, property);
    for (const name of names) if (!index.byFold.has(fold(name))) index.byFold.set(fold(name), property);
  };
  for (const property of BUILT_IN_PROPERTIES) add(property, property.key);
  for (const field of catalogue.fields) {
    if (!SAFE_KEY.test(field.key) || field.key === '__proto__' || index.byKey.has(field.key)) continue;
    const choices = field.type === 'choice' ? { choices: field.choices ?? [] } : {};
    add({ key: field.key, type: field.type, ...choices }, field.key);
  }
  for (const field of catalogue.fields) {
    const property = index.byKey.get(field.key);
    if (property) add(property, field.name);
  }
  for (const group of [{ id: ALL_CONTACTS, name: 'All contacts' }, ...catalogue.groups]) {
    const ids = index.groups.get(fold(group.name)) ?? [];
    if (!ids.includes(group.id)) index.groups.set(fold(group.name), [...ids, group.id]);
  }
  indexes.set(catalogue, index);
  return index;
}

/** The property with this key, or else with this key or name without regard to case and accents. */
export function findProperty(catalogue: FieldCatalogue, name: string): Property | undefined {
  const index = indexOf(catalogue);
  return index.byKey.get(name) ?? index.byFold.get(fold(name));
}

/** The id of the group with this id or name. Throws RuleFault when there is none, or several with the name. */
export function findGroup(catalogue: FieldCatalogue, idOrName: string): string {
  if (idOrName === ALL_CONTACTS || catalogue.groups.some((group) => group.id === idOrName)) return idOrName;
  const ids = indexOf(catalogue).groups.get(fold(idOrName)) ?? [];
  const [only] = ids;
  if (only !== undefined && ids.length === 1) return only;
  if (only !== undefined) {
    throw new RuleFault(
      'rule:unknown_group',
      ids,
      'Several groups have this name; write the id of the one you mean.',
    );
  }
  const names = catalogue.groups.slice(0, 10).map((group) => group.name);
  throw new RuleFault('rule:unknown_group', names, 'There is no group with this name or id.');
}

/** The name of a group, if it leads back to the same group. */
export function groupName(catalogue: FieldCatalogue, id: string): string | undefined {
  const name = id === ALL_CONTACTS ? 'All contacts' : catalogue.groups.find((group) => group.id === id)?.name;
  if (name === undefined || catalogue.groups.some((group) => group.id === name)) return undefined;
  const ids = indexOf(catalogue).groups.get(fold(name)) ?? [];
  return ids.length === 1 && name !== ALL_CONTACTS ? name : undefined;
}
