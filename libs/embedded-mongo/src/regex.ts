import type { BSONRegExp } from 'bson';
import { badValue, serverError, type CommandError } from './errors.js';

/** A compiled server regular expression. `prefix` is set when every match starts with that literal text. */
export type ServerRegex = {
  readonly pattern: string;
  readonly options: string;
  readonly test: (text: string) => boolean;
  readonly prefix: string | undefined;
};

const invalid = (reason: string): CommandError =>
  serverError(51091, `Regular expression is invalid: ${reason}`);

/** Pattern and options of a filter value; the decoder writes the server's `s` option as JavaScript's `g`. */
export function regexSource(value: RegExp | BSONRegExp | string): { pattern: string; options: string } {
  if (typeof value === 'string') return { pattern: value, options: '' };
  if (!(value instanceof RegExp)) return { pattern: value.pattern, options: value.options };
  const dotAll = value.global || value.dotAll;
  const options = `${value.ignoreCase ? 'i' : ''}${value.multiline ? 'm' : ''}${dotAll ? 's' : ''}`;
  return { pattern: value.source, options };
}

/**
 * Compiles a PCRE pattern as MongoDB reads it (UTF mode, options i m s x). Syntax that JavaScript lacks or
 * reads differently is translated, or refused: it must never quietly match something else.
 * @throws CommandError 51091 for a pattern that cannot be compiled, 51108 for an unknown option
 */
export function compileRegex(value: RegExp | BSONRegExp | string, options?: string): ServerRegex {
  const source = regexSource(value);
  const inline = /^\(\?([imsx]+)\)/.exec(source.pattern);
  const pattern = inline ? source.pattern.slice(inline[0].length) : source.pattern;
  const flags = `${options ?? source.options}${inline?.[1] ?? ''}`;
  const unknown = /[^imsxu]/.exec(flags);
  if (unknown) throw serverError(51108, `invalid flag in regex options: ${unknown[0]}`);
  if (pattern.includes('\0')) throw badValue('Regular expression cannot contain an embedded null byte');
  const translated = new Translator(pattern, flags).run();
  const jsFlags = `u${flags.includes('i') ? 'i' : ''}${flags.includes('m') ? 'm' : ''}`;
  let regex: RegExp;
  try {
    regex = new RegExp(translated, jsFlags);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : 'unreadable pattern');
  }
  const prefix = /[imx]/.test(flags) ? undefined : literalPrefix(pattern);
  return {
    pattern: source.pattern,
    options: options ?? source.options,
    test: (text) => regex.test(text),
    prefix,
  };
}

/** The literal text after a leading `^`, as long as no alternative could match without it. */
function literalPrefix(pattern: string): string | undefined {
  if (!pattern.startsWith('^') || pattern.includes('|')) return undefined;
  let prefix = '';
  for (let i = 1; i < pattern.length; i += 1) {
    const char = pattern[i]!;
    const next = pattern[i + 1];
    const escaped = char === '\\' && next !== undefined && /[^A-Za-z0-9\ud800-\udfff]/.test(next);
    if (!escaped && /[\\^$.|?*+()[\]{}\ud800-\udfff]/.test(char)) {
      if (/[?*{]/.test(char)) prefix = prefix.slice(0, -1);
      break;
    }
    prefix += escaped ? next : char;
    if (escaped) i += 1;
  }
  return prefix === '' ? undefined : prefix;
}

const SYNTAX = /[\^$\\.*+?()[\]{}|/]/;
const LETTER_ESCAPES = new Set('dDwWsSbBnrtfvxup0123456789kP');

/** One pass over a PCRE pattern that writes the equivalent JavaScript pattern for the `u` flag. */
class Translator {
  private out = '';
  private at = 0;
  private readonly dotAll: boolean;
  private readonly multiline: boolean;
  private readonly extended: boolean;

  constructor(
    private readonly pattern: string,
    flags: string,
  ) {
    this.dotAll = flags.includes('s');
    this.multiline = flags.includes('m');
    this.extended = flags.includes('x');
  }

  run(): string {
    while (this.at < this.pattern.length) this.step();
    return this.out;
  }

  private step(): void {
    const char = this.pattern[this.at]!;
    if (char === '\\') this.escape(false);
    else if (char === '[') this.characterClass();
    else if (this.extended && /\s/.test(char)) this.at += 1;
    else if (this.extended && char === '#') this.comment();
    else this.plain(char);
  }

  private plain(char: string): void {
    this.at += 1;
    if (char === '.') this.out += this.dotAll ? '[^]' : '[^\\n]';
    else if (char === '$') this.out += this.multiline ? '(?=\\n|(?![^]))' : '(?=\\n?(?![^]))';
    else if (char === '^') this.out += this.multiline ? '(?<=\\n|(?<![^]))' : '^';
    else if (char === ']') this.out += '\\]';
    else this.out += char;
  }

  private comment(): void {
    const end = this.pattern.indexOf('\n', this.at);
    this.at = end < 0 ? this.pattern.length : end + 1;
  }

  /** PCRE's \s is ASCII white space, JavaScript's is Unicode; other letters mean the same or are refused. */
  private escape(inClass: boolean): void {
    const char = this.pattern[this.at + 1];
    if (char === undefined) throw invalid('\\ at end of pattern');
    this.at += 2;
    if (char === 's') this.out += inClass ? ' \\t-\\r' : '[ \\t-\\r]';
    else if (char === 'S') this.nonSpace(inClass);
    else if (
      char === 'v' ||
      char === 'P' ||
      char === 'u' ||
      (char === 'x' && this.pattern[this.at] === '{')
    ) {
      throw invalid(`escape \\${char} is not supported by the embedded server`);
    } else if (/[A-Za-z0-9]/.test(char)) this.letterEscape(char);
    else this.out += SYNTAX.test(char) || (inClass && char === '-') ? `\\${char}` : char;
  }

  private nonSpace(inClass: boolean): void {
    if (inClass) throw invalid('\\S in a character class is not supported by the embedded server');
    this.out += '[^ \\t-\\r]';
  }

  private letterEscape(char: string): void {
    if (!LETTER_ESCAPES.has(char)) {
      throw invalid(`escape \\${char} is not supported by the embedded server`);
    }
    this.out += `\\${char}`;
  }

  private characterClass(): void {
    this.out += '[';
    this.at += 1;
    if (this.pattern[this.at] === '^') {
      this.out += '^';
      this.at += 1;
    }
    if (this.pattern[this.at] === ']') {
      this.out += '\\]';
      this.at += 1;
    }
    while (this.pattern[this.at] !== ']') {
      const char = this.pattern[this.at];
      if (char === undefined) throw invalid('missing terminating ] for character class');
      if (char === '\\') this.escape(true);
      else if (char === '[' && /[:.=]/.test(this.pattern[this.at + 1] ?? '')) {
        throw invalid('POSIX character classes are not supported by the embedded server');
      } else {
        this.out += char === '[' ? '\\[' : char;
        this.at += 1;
      }
    }
    this.out += ']';
    this.at += 1;
  }
}
