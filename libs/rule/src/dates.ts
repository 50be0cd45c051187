const DATE = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)\s?([Zz]|[+-]\d{2}:?\d{2})?$/;
const DAY_MS = 86_400_000;

/** True for a calendar date of the years 1 to 9999 written `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  if (!DATE.test(text) || text.startsWith('0000')) return false;
  const time = Date.parse(`${text}T00:00:00.000Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** The date after a date, both `YYYY-MM-DD`. */
function nextDate(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00.000Z`) + DAY_MS).toISOString().slice(0, 10);
}

/** What the clocks of a zone show at an instant, as if it were UTC, in milliseconds. */
function wallClock(time: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(time);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}

/** The instant at which the clocks of a zone show a local time; the earlier one if they show it twice. */
function instantOf(local: number, timeZone: string): number {
  const candidates = [local - DAY_MS / 2, local + DAY_MS / 2]
    .map((near) => local - (wallClock(near, timeZone) - near))
    .sort((a, b) => a - b);
  const exact = candidates.find((candidate) => wallClock(candidate, timeZone) === local);
  return exact ?? candidates[candidates.length - 1] ?? local;
}

/** First instant of a day (`from`) and of the next (`to`) in a zone, ISO 8601 in UTC; undefined if it is no date. */
export function dayBounds(date: string, timeZone: string): { from: string; to: string } | undefined {
  if (!isDate(date)) return undefined;
  const start = (day: string) => {
    const local = Date.parse(`${day}T00:00:00.000Z`);
    return new Date(timeZone === 'UTC' ? local : instantOf(local, timeZone)).toISOString();
  };
  const next = nextDate(date);
  return isDate(next) ? { from: start(date), to: start(next) } : undefined;
}

/** An instant in the one spelling that is stored, UTC with milliseconds; without an offset it is local to the zone. */
export function readInstant(text: string, timeZone: string): string | undefined {
  const match = INSTANT.exec(text);
  if (!match?.[1] || !match[2] || !isDate(match[1])) return undefined;
  const offset = match[3]?.toUpperCase();
  const time = Date.parse(`${match[1]}T${match[2]}${offset ?? 'Z'}`);
  if (Number.isNaN(time)) return undefined;
  const instant = new Date(offset || timeZone === 'UTC' ? time : instantOf(time, timeZone)).toISOString();
  return /^\d{4}-/.test(instant) ? instant : undefined;
}
