import { isUtf8 } from 'node:buffer';

export type Encoding =
  | 'utf-8'
  | 'utf-16le'
  | 'utf-16be'
  | 'windows-1252'
  | 'windows-1255'
  | 'windows-1251'
  | 'windows-1253'
  | 'windows-1256';

const LEGACY_SAMPLE_BYTES = 64 * 1024;
/** Share of zero bytes at one parity that tells UTF-16 without a byte order mark. */
const UTF16_ZEROS = 0.3;
const TAIL_BYTES_MAX = 3;

/**
 * Watches the bytes of a whole file go by: whether they are UTF-8 to the end, and, where they are not, a sample around
 * the first place that is not ASCII. A file whose accents begin after the first megabyte is read rightly all the same.
 */
export class EncodingWatch {
  private isUtf8 = true;
  private tail = Buffer.alloc(0);
  private sample = Buffer.alloc(0);

  push(chunk: Buffer): void {
    if (this.sample.length < LEGACY_SAMPLE_BYTES) this.collect(chunk);
    if (!this.isUtf8) return;
    const bytes = this.tail.length === 0 ? chunk : Buffer.concat([this.tail, chunk]);
    const end = bytes.length - unfinished(bytes);
    this.tail = Buffer.from(bytes.subarray(end));
    this.isUtf8 = isUtf8(bytes.subarray(0, end));
  }

  /** @param head the first bytes of the file. Undefined where the file is no text. */
  detect(head: Buffer): Encoding | undefined {
    if (isOtherFormat(head)) return undefined;
    if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
    if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
    const wide = wideEncoding(head);
    if (wide !== undefined) return wide;
    if (!isText(head)) return undefined;
    return this.isUtf8 && this.tail.length === 0 ? 'utf-8' : legacyEncoding(this.sample);
  }

  private collect(chunk: Buffer): void {
    const first = this.sample.length > 0 ? 0 : chunk.findIndex((byte) => byte >= 0x80);
    if (first < 0) return;
    const part = chunk.subarray(first, first + LEGACY_SAMPLE_BYTES - this.sample.length);
    this.sample = Buffer.concat([this.sample, part]);
  }
}

/** Bytes at the end that begin a character and do not end it. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(TAIL_BYTES_MAX, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? back : 0;
    }
  }
  return 0;
}

/** UTF-16 without a mark: in delimited text, half of most characters is zero. */
function wideEncoding(head: Buffer): Encoding | undefined {
  const pairs = Math.floor(head.length / 2);
  if (pairs === 0) return undefined;
  const zeros = [0, 0];
  for (let at = 0; at < pairs * 2; at += 1) if (head[at] === 0) zeros[at % 2] = (zeros[at % 2] as number) + 1;
  const [even, odd] = zeros as [number, number];
  const isLittle = odd / pairs > UTF16_ZEROS && even === 0;
  const isBig = even / pairs > UTF16_ZEROS && odd === 0;
  if (!isLittle && !isBig) return undefined;
  const units = Array.from({ length: pairs }, (_, at) =>
    isLittle ? head.readUInt16LE(at * 2) : head.readUInt16BE(at * 2),
  );
  if (!isText(units)) return undefined;
  return isLittle ? 'utf-16le' : 'utf-16be';
}

/** First bytes of what people upload by mistake: ZIP (and so .xlsx), old Excel, PDF, gzip. */
const OTHER_FORMATS = ['504b0304', 'd0cf11e0', '25504446', '1f8b'];

function isOtherFormat(head: Buffer): boolean {
  return OTHER_FORMATS.some((magic) => head.subarray(0, magic.length / 2).toString('hex') === magic);
}

/** Tab, line feed, carriage return, and the end-of-file mark of old systems. */
const CONTROLS = new Set([0x09, 0x0a, 0x0d, 0x1a]);

const isText = (bytes: Iterable<number>): boolean => {
  for (const byte of bytes) if (byte < 0x20 && !CONTROLS.has(byte)) return false;
  return true;
};

/** Letters of a script in its code page, and the commonest of them, which tell it from the others. */
const SCRIPTS: readonly { encoding: Encoding; letters: (byte: number) => boolean; common: string }[] = [
  {
    encoding: 'windows-1255',
    letters: (byte) => byte >= 0xe0 && byte <= 0xfa,
    common: 'e9e5e4ecf8eef0f9fae0ede1',
  },
  { encoding: 'windows-1251', letters: (byte) => byte >= 0xc0, common: 'eee5e0e8edf2f1f0e2ebea' },
  {
    encoding: 'windows-1253',
    letters: (byte) => byte >= 0xb8 && byte < 0xff,
    common: 'e1efe9e5f4f3edf2e7f1dc',
  },
  { encoding: 'windows-1256', letters: (byte) => byte >= 0xc0, common: 'c7e1ede3e6e4d1c8cada' },
];

/**
 * Which one-byte code page the sample is written in. In Western text accented letters stand alone between ASCII
 * letters; in Hebrew, Cyrillic, Greek and Arabic text whole words are bytes above 0x7f.
 */
export function legacyEncoding(sample: Buffer): Encoding {
  let high = 0;
  let together = 0;
  for (let at = 0; at < sample.length; at += 1) {
    if ((sample[at] as number) < 0xa0) continue;
    high += 1;
    if ((sample[at - 1] ?? 0) >= 0xa0 || (sample[at + 1] ?? 0) >= 0xa0) together += 1;
  }
  if (high === 0 || together / high < 0.7) return 'windows-1252';
  const scored = SCRIPTS.map(({ encoding, letters, common }) => ({
    encoding,
    score: scoreOf(sample, letters, new Set(Buffer.from(common, 'hex'))),
  }));
  return scored.reduce((best, one) => (one.score > best.score ? one : best)).encoding;
}

function scoreOf(sample: Buffer, letters: (byte: number) => boolean, common: ReadonlySet<number>): number {
  let score = 0;
  for (const byte of sample) {
    if (byte < 0xa0) continue;
    score += common.has(byte) ? 2 : letters(byte) ? 0.5 : -4;
  }
  return score;
}
