import { RuleFault } from './rule-error.js';

/** A piece of text that stands for a value, a property or a search; `raw` is without quotes and escapes. */
export interface Token {
  raw: string;
  quoted: boolean;
  position: number;
}

const OPENING = /["“”„]/;
const SYMBOL = /(?:!=|<=|>=|\^=|=|<|>|~)/y;
const WORD_END = /[\s(),"“”„=<>~]/;
const PHONE = /[(+]?\+?\(?\d[\d()./\p{Pd}\p{Zs}]*/uy;

/** Walks over the text form of a rule; every method that answers undefined leaves the place as it was. */
export class Scanner {
  position = 0;

  constructor(readonly text: string) {}

  /** Skips blanks, and commas too where conditions merely stand side by side. */
  skip(commas = false): void {
    const blank = commas ? /[\s,]*/y : /\s*/y;
    blank.lastIndex = this.position;
    this.position += blank.exec(this.text)?.[0].length ?? 0;
  }

  atEnd(): boolean {
    return this.position >= this.text.length;
  }

  peekChar(): string {
    return this.text.charAt(this.position);
  }

  /** Takes one character after blanks. */
  takeChar(character: string): boolean {
    const start = this.position;
    this.skip();
    if (this.peekChar() !== character) {
      this.position = start;
      return false;
    }
    this.position += 1;
    return true;
  }

  /** True if a pattern (sticky, without regard to case) matches here after blanks; moves only when told to. */
  matches(pattern: RegExp, take = false): boolean {
    const start = this.position;
    this.skip();
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.text);
    this.position = match && take ? this.position + match[0].length : start;
    return match !== null;
  }

  takeSymbol(): string | undefined {
    const start = this.position;
    this.skip();
    SYMBOL.lastIndex = this.position;
    const symbol = SYMBOL.exec(this.text)?.[0];
    this.position = symbol === undefined ? start : this.position + symbol.length;
    return symbol;
  }

  /** A text in quotes; `\"` and `\\` stand for the character itself. Throws RuleFault when it does not end. */
  takeQuoted(): Token | undefined {
    const position = this.position;
    const opening = this.peekChar();
    if (!OPENING.test(opening)) return undefined;
    const closing = opening === '"' ? /"/ : /[“”]/;
    let raw = '';
    for (let index = position + 1; index < this.text.length; index += 1) {
      const character = this.text.charAt(index);
      const next = this.text.charAt(index + 1);
      if (character === '\\' && (next === '\\' || next === opening || closing.test(next))) {
        raw += next;
        index += 1;
      } else if (closing.test(character)) {
        this.position = index + 1;
        return { raw, quoted: true, position };
      } else raw += character;
    }
    throw new RuleFault('rule:syntax', ['"'], 'The text that begins here has no closing quote.', position);
  }

  /** A word without quotes. A quote between two letters belongs to it, as in Hebrew acronyms. */
  takeWord(): Token | undefined {
    const position = this.position;
    let end = position;
    while (end < this.text.length && !this.wordEndsAt(end)) end += 1;
    if (end === position) return undefined;
    this.position = end;
    return { raw: this.text.slice(position, end), quoted: false, position };
  }

  private wordEndsAt(index: number): boolean {
    const pair = this.text.slice(index, index + 2);
    if (pair === '!=' || pair === '^=') return true;
    const character = this.text.charAt(index);
    const between = `${this.text.charAt(index - 1)}${this.text.charAt(index + 1)}`;
    if (character === '"' && index > 0 && /^\p{L}\p{L}$/u.test(between)) return false;
    return WORD_END.test(character);
  }

  /**
   * A number as it is dialled, with its blanks and brackets: at least four digits, brackets in pairs, and an end where a
   * word could end. A bracket round the whole is left to the grammar.
   */
  takePhone(): Token | undefined {
    const position = this.position;
    PHONE.lastIndex = position;
    const run = PHONE.exec(this.text)?.[0];
    if (run === undefined) return undefined;
    const length = balancedLength(run);
    const raw = run.slice(0, length);
    const after = this.text.charAt(position + length);
    if (raw.replace(/\D/g, '').length < 4 || !/^[\s),]?$/.test(after)) return undefined;
    if (raw.startsWith('(') && raw.indexOf(')') === raw.length - 1) return undefined;
    this.position = position + length;
    return { raw, quoted: false, position };
  }
}

/** Length of the longest beginning that closes every bracket it opens and ends in a digit or a bracket. */
function balancedLength(run: string): number {
  let open = 0;
  let length = 0;
  for (let index = 0; index < run.length; index += 1) {
    const character = run.charAt(index);
    if (character === '(') open += 1;
    if (character === ')') open -= 1;
    if (open < 0) break;
    if (open === 0 && /[\d)]/.test(character)) length = index + 1;
  }
  return length;
}
