import { invalidArgument } from './errors.js';
import type { streams } from './generated.js';
import { streamNameOf } from './recorded.js';
import { type Store, type StoredEvent, categoryOf } from './store.js';

/** Events considered per step of the search when the client sets no window: the real server's page. */
const DEFAULT_WINDOW = 32;
/** With more categories than this, reading the whole log is cheaper than merging them. */
const MAX_CATEGORIES = 64;

/** Which events of the log a reader wants. */
export interface EventFilter {
  matches(event: StoredEvent): boolean;
  /** Categories that can hold a match, or undefined if every event must be looked at. */
  categories(): number[] | undefined;
  /** A subscription reports its position at least every so many considered events. */
  checkpointInterval: number;
}

type FilterOptions = InstanceType<typeof streams.ReadReq.Options.FilterOptions>;

/** Builds the filter of a request. Throws RpcError for one without expression or with a bad regular expression. */
export function createFilter(options: FilterOptions, store: Store): EventFilter {
  const onStream = options.hasStreamIdentifier();
  const expression = onStream ? options.getStreamIdentifier() : options.getEventType();
  if (!expression) throw invalidArgument('The filter has no expression.');
  const window = options.hasMax() ? options.getMax() : DEFAULT_WINDOW;
  const checkpointInterval = window * options.getCheckpointintervalmultiplier();
  if (checkpointInterval <= 0) throw invalidArgument('The checkpoint interval must be positive.');
  const regex = expression.getRegex();
  const prefixes = regex ? undefined : expression.getPrefixList();
  const test = prefixes ? prefixTest(prefixes) : regexTest(regex);
  return {
    matches: onStream ? (event) => test(streamNameOf(event.body)) : typeTest(store, test),
    categories: () => (onStream && prefixes ? categoriesOf(store, prefixes) : undefined),
    checkpointInterval,
  };
}

const prefixTest = (prefixes: readonly string[]) => (name: string) =>
  prefixes.some((prefix) => name.startsWith(prefix));

function regexTest(source: string): (name: string) => boolean {
  try {
    const regex = new RegExp(source);
    return (name) => regex.test(name);
  } catch {
    throw invalidArgument(`'${source}' is not a valid regular expression.`);
  }
}

/** There are few event types, so each is tested once. */
function typeTest(store: Store, test: (name: string) => boolean): (event: StoredEvent) => boolean {
  const tested = new Map<number, boolean>();
  return ({ type }) => {
    const known = tested.get(type);
    if (known !== undefined) return known;
    const result = test(store.types.nameOf(type));
    tested.set(type, result);
    return result;
  };
}

/**
 * Categories in which a stream with one of the prefixes can be. A prefix with a dash lies in exactly one; one
 * without can be the beginning of a category, or of a stream name that has no dash at all.
 */
function categoriesOf(store: Store, prefixes: readonly string[]): number[] | undefined {
  const found: number[] = [];
  for (const [category, id] of store.categories.entries()) {
    const possible = prefixes.some((prefix) =>
      prefix.includes('-') ? categoryOf(prefix) === category : category === '' || category.startsWith(prefix),
    );
    if (possible) found.push(id);
    if (found.length > MAX_CATEGORIES) return undefined;
  }
  return found;
}
