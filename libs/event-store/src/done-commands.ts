import { COMMANDS_KEPT, type DoneCommand, type Head } from './heads.js';

/** Hex digits of a mark: enough that of all look-ups for a new command one in hundreds reads the stream for nothing. */
const MARK = 4;
/** Older commands than this are looked for in the stream: 4 KB of marks in a head are enough. */
const MARKS_MAX = 1_024;

/** The head after one more command: beyond the last 16, commands are only marked. */
export function withDone<S>(
  head: Pick<Head<S>, 'commands' | 'older' | 'revision'>,
  done: DoneCommand,
): Pick<Head<S>, 'commands' | 'older'> {
  const last = head.commands.at(-1);
  const before = last?.command === done.command ? head.commands.slice(0, -1) : head.commands;
  const commands = [...before, done].slice(-COMMANDS_KEPT);
  if (commands.length < COMMANDS_KEPT) return { commands };
  const marks = marksOf(head);
  const dropped = before.length < COMMANDS_KEPT ? '' : markOf((before[0] as DoneCommand).command);
  const isKnown = marks !== null && marks.length < MARKS_MAX * MARK;
  return { commands, older: isKnown ? { revision: done.revision, marks: marks + dropped } : null };
}

/** Whether a command that is not among the last 16 may be older than those. */
export function mayBeOlder<S>(
  head: Pick<Head<S>, 'commands' | 'older' | 'revision'>,
  command: string,
): boolean {
  const marks = marksOf(head);
  if (marks === null) return true;
  const mark = markOf(command);
  for (let at = 0; at < marks.length; at += MARK) if (marks.startsWith(mark, at)) return true;
  return false;
}

/** Null where it is not known: a head of an earlier release, or one that such a release has written since. */
function marksOf<S>({
  commands,
  older,
  revision,
}: Pick<Head<S>, 'commands' | 'older' | 'revision'>): string | null {
  if (commands.length < COMMANDS_KEPT) return '';
  return older && older.revision === revision ? older.marks : null;
}

/** The end of an id is random in every version that we use. */
function markOf(command: string): string {
  return command.slice(-MARK);
}
