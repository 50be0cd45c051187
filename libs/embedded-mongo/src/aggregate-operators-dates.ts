import { ObjectId, Timestamp } from 'bson';
import { exactInteger, type BsonNumber } from './bson-numbers.js';
import { isDocument, typeNameOf, type Document } from './bson-types.js';
import { notSupported, serverError } from './errors.js';
import {
  isNullish,
  isNumber,
  named,
  type Evaluate,
  type Operator,
  type OperatorContext,
} from './aggregate-values.js';

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: DAY_MS,
  week: 7 * DAY_MS,
};
const UNIT_MONTHS: Readonly<Record<string, number>> = { month: 1, quarter: 3, year: 12 };

function requireDate(value: unknown, name: string): Date {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (value instanceof Timestamp) return new Date(value.getHighBits() * 1000);
  throw serverError(16006, `${name}: can't convert from BSON type ${typeNameOf(value)} to Date`);
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Offset of a time zone at an instant, in milliseconds. @throws CommandError 40485 for unknown zones */
function offsetAt(instant: number, zone: string): number {
  const fixed = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3] ?? 0);
    return (fixed[1] === '-' ? -minutes : minutes) * 60_000;
  }
  if (zone === 'UTC' || zone === 'GMT' || zone === 'Z') return 0;
  const parts = new Map(
    zoneFormat(zone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(instant / 1000) * 1000;
}

function zoneFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format) return format;
  try {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw serverError(40485, `unrecognized time zone identifier: "${zone}"`);
  }
  formats.set(zone, format);
  return format;
}

/** Wall-clock milliseconds in a zone, to be read with the UTC getters. */
const toLocal = (instant: number, zone: string): number => instant + offsetAt(instant, zone);

/** The instant of a wall-clock time; a time that a clock change skips moves forward. */
function fromLocal(local: number, zone: string): number {
  const guess = local - offsetAt(local, zone);
  const second = local - offsetAt(guess, zone);
  return toLocal(second, zone) === local ? second : Math.max(guess, second);
}

function dayOfYear(local: Date): number {
  return Math.floor((local.getTime() - Date.UTC(local.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
}

/** ISO 8601 week: the week of its Thursday. */
function isoWeek(local: Date): { year: number; week: number } {
  const weekday = local.getUTCDay() || 7;
  const thursday = new Date(local.getTime() + (4 - weekday) * DAY_MS);
  return { year: thursday.getUTCFullYear(), week: Math.ceil(dayOfYear(thursday) / 7) };
}

/** Weeks begin on Sundays; days before the first Sunday of a year are week 0. */
const sundayWeek = (local: Date): number => Math.floor((dayOfYear(local) + 6 - local.getUTCDay()) / 7);

const PARTS: Readonly<Record<string, (local: Date) => number>> = {
  $year: (local) => local.getUTCFullYear(),
  $month: (local) => local.getUTCMonth() + 1,
  $dayOfMonth: (local) => local.getUTCDate(),
  $hour: (local) => local.getUTCHours(),
  $minute: (local) => local.getUTCMinutes(),
  $second: (local) => local.getUTCSeconds(),
  $millisecond: (local) => local.getUTCMilliseconds(),
  $dayOfWeek: (local) => local.getUTCDay() + 1,
  $dayOfYear: dayOfYear,
  $week: sundayWeek,
  $isoDayOfWeek: (local) => local.getUTCDay() || 7,
  $isoWeek: (local) => isoWeek(local).week,
  $isoWeekYear: (local) => isoWeek(local).year,
};

const part: Operator = (argument, { name, compile }) => {
  const byName = isDocument(argument) && Object.hasOwn(argument, 'date');
  const single: unknown = Array.isArray(argument) && argument.length === 1 ? argument[0] : argument;
  const date = compile(byName ? argument['date'] : single);
  const zone = byName && Object.hasOwn(argument, 'timezone') ? compile(argument['timezone']) : () => 'UTC';
  return (scope) => {
    const [value, timezone] = [date(scope), zone(scope)];
    if (isNullish(value) || isNullish(timezone)) return null;
    return PARTS[name]!(new Date(toLocal(requireDate(value, name).getTime(), zoneName(timezone))));
  };
};

function zoneName(value: unknown): string {
  if (typeof value === 'string') return value;
  throw serverError(40517, `timezone must evaluate to a string, found ${typeNameOf(value)}`);
}

const pad = (value: number, length: number): string => String(value).padStart(length, '0');

function formatDate(instant: number, format: string, zone: string): string {
  const local = new Date(toLocal(instant, zone));
  const minutes = Math.trunc(offsetAt(instant, zone) / 60_000);
  const shown: Readonly<Record<string, () => string>> = {
    Y: () => pad(local.getUTCFullYear(), 4),
    m: () => pad(local.getUTCMonth() + 1, 2),
    d: () => pad(local.getUTCDate(), 2),
    H: () => pad(local.getUTCHours(), 2),
    M: () => pad(local.getUTCMinutes(), 2),
    S: () => pad(local.getUTCSeconds(), 2),
    L: () => pad(local.getUTCMilliseconds(), 3),
    j: () => pad(dayOfYear(local), 3),
    w: () => String(local.getUTCDay() + 1),
    u: () => String(local.getUTCDay() || 7),
    U: () => pad(sundayWeek(local), 2),
    V: () => pad(isoWeek(local).week, 2),
    G: () => pad(isoWeek(local).year, 4),
    z: () => {
      const size = Math.abs(minutes);
      return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60), 2)}${pad(size % 60, 2)}`;
    },
    Z: () => String(minutes),
    '%': () => '%',
  };
  return format.replace(/%([\s\S]?)/g, (_match, letter: string) => {
    const show = shown[letter];
    if (!show) throw serverError(18536, `Invalid format character '%${letter}' in format string`);
    return show();
  });
}

function dateToString(argument: Document, { compile }: OperatorContext): Evaluate {
  const optional = (key: string, fallback: unknown): Evaluate =>
    Object.hasOwn(argument, key) ? compile(argument[key]) : () => fallback;
  const date = compile(argument['date']);
  const zone = optional('timezone', 'UTC');
  const format = optional('format', undefined);
  const onNull = optional('onNull', null);
  return (scope) => {
    const value = date(scope);
    if (isNullish(value)) return onNull(scope);
    const timezone = zone(scope);
    if (isNullish(timezone)) return null;
    const name = zoneName(timezone);
    const pattern = format(scope) ?? (name === 'UTC' ? '%Y-%m-%dT%H:%M:%S.%LZ' : '%Y-%m-%dT%H:%M:%S.%L');
    if (typeof pattern !== 'string')
      throw serverError(18533, '$dateToString requires that format be a string');
    return formatDate(requireDate(value, '$dateToString').getTime(), pattern, name);
  };
}

function requireUnit(value: unknown): string {
  if (typeof value === 'string' && (value in UNIT_MS || value in UNIT_MONTHS) && value !== 'constructor')
    return value;
  throw serverError(9, `unknown time unit value: ${String(value)}`);
}

/** Adds whole units in local time; a month without that day ends on its last day. */
function shift(instant: number, unit: string, amount: number, zone: string): number {
  const fixed = UNIT_MS[unit];
  if (fixed !== undefined && fixed < DAY_MS) return instant + amount * fixed;
  const local = new Date(toLocal(instant, zone));
  if (fixed !== undefined) return fromLocal(local.getTime() + amount * fixed, zone);
  const day = local.getUTCDate();
  local.setUTCDate(1);
  local.setUTCMonth(local.getUTCMonth() + amount * UNIT_MONTHS[unit]!);
  const last = new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1, 0)).getUTCDate();
  local.setUTCDate(Math.min(day, last));
  return fromLocal(local.getTime(), zone);
}

function dateShift(direction: 1 | -1): Operator {
  return named(['startDate', 'unit', 'amount'], ['timezone'], (argument, { name, compile }) => {
    const [start, unit, amount] = ['startDate', 'unit', 'amount'].map((key) => compile(argument[key]));
    const zone = Object.hasOwn(argument, 'timezone') ? compile(argument['timezone']) : () => 'UTC';
    return (scope) => {
      const values = [start!(scope), unit!(scope), amount!(scope), zone(scope)];
      if (values.some(isNullish)) return null;
      const count = isNumber(values[2]) ? exactInteger(values[2] as BsonNumber) : undefined;
      if (count === undefined) throw serverError(5166405, `${name} expects integer amount of time units`);
      const instant = requireDate(values[0], name).getTime();
      return new Date(shift(instant, requireUnit(values[1]), direction * Number(count), zoneName(values[3])));
    };
  });
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

function weekStart(value: unknown): number {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  const day = WEEKDAYS.findIndex((name) => name === text || name.slice(0, 3) === text);
  if (day < 0) throw serverError(5439015, `${String(value)} is not a valid start of week`);
  return day;
}

/** The start of the unit that contains an instant, in local time. Bins of several units are not offered. */
function truncate(instant: number, unit: string, zone: string, firstDay: number): number {
  const fixed = UNIT_MS[unit];
  const local = toLocal(instant, zone);
  if (fixed !== undefined && fixed < DAY_MS) return instant - (local - Math.floor(local / fixed) * fixed);
  const date = new Date(local);
  let day = Math.floor(local / DAY_MS) * DAY_MS;
  if (unit === 'week') day -= ((date.getUTCDay() - firstDay + 7) % 7) * DAY_MS;
  else if (unit !== 'day') {
    const span = UNIT_MONTHS[unit]!;
    day = Date.UTC(date.getUTCFullYear(), Math.floor(date.getUTCMonth() / span) * span, 1);
  }
  return fromLocal(day, zone);
}

function dateTrunc(argument: Document, { compile }: OperatorContext): Evaluate {
  const optional = (key: string, fallback: unknown): Evaluate =>
    Object.hasOwn(argument, key) ? compile(argument[key]) : () => fallback;
  const date = compile(argument['date']);
  const unit = compile(argument['unit']);
  const options = [optional('timezone', 'UTC'), optional('startOfWeek', 'sunday'), optional('binSize', 1)];
  return (scope) => {
    const values = [date(scope), unit(scope), ...options.map((option) => option(scope))];
    if (values.some(isNullish)) return null;
    if (values[4] !== 1) throw notSupported('$dateTrunc with a binSize other than 1');
    const instant = requireDate(values[0], '$dateTrunc').getTime();
    return new Date(truncate(instant, requireUnit(values[1]), zoneName(values[2]), weekStart(values[3])));
  };
}

/** The number of unit boundaries between two instants. */
function boundaries(start: number, end: number, unit: string, zone: string, firstDay: number): number {
  const months = UNIT_MONTHS[unit];
  if (months !== undefined) {
    const index = (instant: number): number => {
      const local = new Date(toLocal(instant, zone));
      return Math.floor((local.getUTCFullYear() * 12 + local.getUTCMonth()) / months);
    };
    return index(end) - index(start);
  }
  const size = UNIT_MS[unit]!;
  const index = (instant: number): number => {
    const whole = truncate(instant, unit, zone, firstDay);
    return size < DAY_MS ? whole : toLocal(whole, zone);
  };
  return Math.round((index(end) - index(start)) / size);
}

function dateDiff(argument: Document, { compile }: OperatorContext): Evaluate {
  const [start, end, unit] = ['startDate', 'endDate', 'unit'].map((key) => compile(argument[key]));
  const zone = Object.hasOwn(argument, 'timezone') ? compile(argument['timezone']) : () => 'UTC';
  const first = Object.hasOwn(argument, 'startOfWeek') ? compile(argument['startOfWeek']) : () => 'sunday';
  return (scope) => {
    const values = [start!(scope), end!(scope), unit!(scope), zone(scope), first(scope)];
    if (values.some(isNullish)) return null;
    const [from, to] = [
      requireDate(values[0], '$dateDiff').getTime(),
      requireDate(values[1], '$dateDiff').getTime(),
    ];
    return boundaries(from, to, requireUnit(values[2]), zoneName(values[3]), weekStart(values[4]));
  };
}

/**
 * Date operators, in UTC or in a named or fixed time zone. `$dateFromString` and `$dateFromParts` are not
 * offered.
 */
export const dateOperators: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...Object.keys(PARTS).map((name): [string, Operator] => [name, part]),
  ['$dateToString', named(['date'], ['format', 'timezone', 'onNull'], dateToString)],
  ['$dateAdd', dateShift(1)],
  ['$dateSubtract', dateShift(-1)],
  ['$dateTrunc', named(['date', 'unit'], ['timezone', 'startOfWeek', 'binSize'], dateTrunc)],
  ['$dateDiff', named(['startDate', 'endDate', 'unit'], ['timezone', 'startOfWeek'], dateDiff)],
]);
