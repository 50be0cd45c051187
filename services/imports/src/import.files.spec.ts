import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import iconv from 'iconv-lite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyse, type Analysis } from './domain/analyse.js';
import { ImportFiles } from './import.files.js';

const BOM = '\ufeff';
const account = uuid7();

let folder: string;
let files: ImportFiles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-test-files-'));
  files = new ImportFiles(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Bytes in pieces of odd sizes, as a network hands them over. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = Math.min(size * 3 + 1, 60_000)) {
    yield bytes.subarray(at, at + size);
  }
}

interface Looked extends Analysis {
  rows: string[][];
  bad: string[];
}

/** Uploads, analyses and reads a file to its end, as the service does. */
async function look(content: string | Buffer, encoding = 'utf-8'): Promise<Looked> {
  const bytes = typeof content === 'string' ? iconv.encode(content, encoding) : content;
  const received = await files.receive(account, Readable.from(pieces(bytes)));
  try {
    if (received.encoding === undefined) throw new Refusal('import:not_text');
    const analysis = analyse(received.text, received.encoding, received.isWhole);
    const id = uuid7();
    await files.keep(received, account, id);
    const rows: string[][] = [];
    const bad: string[] = [];
    for await (const batch of files.rows(account, id, analysis.format)) {
      for (const row of batch) {
        if (row.raw === undefined) rows.push(row.cells);
        else bad.push(row.raw);
      }
    }
    return { ...analysis, rows, bad };
  } finally {
    await files.drop(received);
  }
}

const formatOf = async (content: string | Buffer, encoding?: string): Promise<unknown[]> => {
  const { format } = await look(content, encoding);
  return [format.encoding, format.delimiter, format.header, format.columns];
};
const suggested = async (content: string, encoding?: string): Promise<string[]> =>
  (await look(content, encoding)).columns.map((column) => column.suggested);

const FRENCH = 'Prénom;Nom;Téléphone\nJérôme;Lefèvre;06 12 34 56 78\nZoé;Brûlé;06 12 34 56 79\n';
const HEBREW =
  'שם פרטי,שם משפחה,נייד\nאורי,פרידמן,050-5552054\nנועה,ביטון,054-5557190\nיעל,כהן,052-5551234\n';
const RUSSIAN = 'Имя;Фамилия;Телефон\nАнна;Иванова;+79161234567\nПётр;Смирнов;+79161234568\n';
const GREEK = 'Όνομα;Τηλέφωνο\nΕλένη Παπαδοπούλου;+306912345678\nΓιώργος Νικολάου;+306912345679\n';
const ARABIC = 'الاسم;رقم الهاتف\nمحمد علي;+201001234567\nفاطمة حسن;+201001234568\n';

describe('encodings', () => {
  it.each<[string, string | Buffer, string | undefined, unknown[]]>([
    ['UTF-8', HEBREW, 'utf-8', ['utf-8', ',', true, 3]],
    ['UTF-8 with a byte order mark', BOM + HEBREW, 'utf-8', ['utf-8', ',', true, 3]],
    ['plain ASCII', 'name,phone\nAnn,+12122000001\n', 'ascii', ['utf-8', ',', true, 2]],
    ['UTF-16 little endian with a mark', BOM + HEBREW, 'utf-16le', ['utf-16le', ',', true, 3]],
    ['UTF-16 big endian with a mark', BOM + HEBREW, 'utf-16be', ['utf-16be', ',', true, 3]],
    [
      'UTF-16 little endian without',
      'name\tphone\nAnn\t2122000001\n',
      'utf-16le',
      ['utf-16le', '\t', true, 2],
    ],
    ['UTF-16 big endian without', 'name\tphone\nAnn\t2122000001\n', 'utf-16be', ['utf-16be', '\t', true, 2]],
    ['Western European', FRENCH, 'windows-1252', ['windows-1252', ';', true, 3]],
    ['Hebrew', HEBREW, 'windows-1255', ['windows-1255', ',', true, 3]],
    ['Cyrillic', RUSSIAN, 'windows-1251', ['windows-1251', ';', true, 3]],
    ['Greek', GREEK, 'windows-1253', ['windows-1253', ';', true, 2]],
    ['Arabic', ARABIC, 'windows-1256', ['windows-1256', ';', true, 2]],
  ])('knows %s', async (_, content, encoding, expected) => {
    expect(await formatOf(content, encoding)).toEqual(expected);
  });

  it.each([
    ['utf-8', HEBREW],
    ['utf-16le', BOM + HEBREW],
    ['windows-1255', HEBREW],
    ['windows-1252', FRENCH],
    ['windows-1251', RUSSIAN],
    ['windows-1253', GREEK],
    ['windows-1256', ARABIC],
  ])('reads what was written in %s', async (encoding, text) => {
    const { rows } = await look(text, encoding);
    const delimiter = text.includes(';') ? ';' : ',';
    const written = text.replace(BOM, '').trim().split('\n').slice(1);
    expect(rows).toEqual(written.map((line) => line.split(delimiter)));
  });

  it('looks beyond the beginning: accents may come late', async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `Ann,+1 212 200 ${String(n).padStart(4, '0')}`);
    const text = `name,phone\n${lines.join('\n')}\nJérôme,+12122009999\n`;
    const { format, rows } = await look(text, 'windows-1252');
    expect(format.encoding).toBe('windows-1252');
    expect(rows.at(-1)).toEqual(['Jérôme', '+12122009999']);
  });

  it.each([
    ['an Excel workbook', Buffer.from('504b030414000600', 'hex')],
    ['an old Excel workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex')],
    ['a PDF', Buffer.from('%PDF-1.7 text')],
    ['bytes', Buffer.from([65, 0, 1, 2, 3, 66, 7, 0])],
  ])('refuses %s', async (_, bytes) => {
    await expect(look(bytes)).rejects.toMatchObject({ code: 'import:not_text' });
  });
});

describe('formats', () => {
  it.each<[string, string, unknown[]]>([
    ['commas', 'a,phone\nx,+12122000001\n', ['utf-8', ',', true, 2]],
    ['semicolons with commas in values', 'name;phone\n"Lee, Ann";1\nKim, Bo;2\n', ['utf-8', ';', true, 2]],
    ['tabs', 'name\tphone\nAnn\t+12122000001\n', ['utf-8', '\t', true, 2]],
    ['bars', 'name|phone\nAnn|+12122000001\n', ['utf-8', '|', true, 2]],
    [
      'the line by which Excel names its delimiter',
      'sep=;\nname;phone\nAnn;+12122000001\n',
      ['utf-8', ';', true, 2],
    ],
    ['a single column', 'phone\n+12122000001\n+12122000002\n', ['utf-8', ',', true, 1]],
    ['numbers alone', '+12122000001\n+12122000002\n', ['utf-8', ',', false, 1]],
    ['no header', 'Ann,+1 212 200 0001\nBen,+1 212 200 0002\n', ['utf-8', ',', false, 2]],
    ['no header, with addresses', 'ann@example.com,Ann\nben@example.org,Ben\n', ['utf-8', ',', false, 2]],
    ['a header that no list knows', 'foo,bar\nAnn,+12122000001\nBen,+12122000002\n', ['utf-8', ',', true, 2]],
    ['old Mac line ends', 'name,phone\rAnn,+12122000001\rBen,+12122000002\r', ['utf-8', ',', true, 2]],
    [
      'CRLF and quoted line breaks',
      'name,phone,note\r\nAnn,1,"a\r\nb"\r\nBen,2,x\r\n',
      ['utf-8', ',', true, 3],
    ],
    ['one row', 'Ann,+12122000001', ['utf-8', ',', false, 2]],
    ['delimiters at the end of the header', 'name,phone,,\nAnn,+12122000001,,\n', ['utf-8', ',', true, 2]],
  ])('knows %s', async (_, text, expected) => {
    expect(await formatOf(text)).toEqual(expected);
  });

  it('leaves header and directive out of the rows', async () => {
    expect((await look(`${BOM}sep=;\r\nname;phone\r\nAnn;1\r\n`)).rows).toEqual([['Ann', '1']]);
  });

  it('reads quoted line breaks as part of the value, whatever the pieces', async () => {
    const { rows, columns } = await look('name,phone,note\nAnn,+12122000001,"one\ntwo, ""three"""\n');
    expect(rows).toEqual([['Ann', '+12122000001', 'one\ntwo, "three"']]);
    expect(columns[2]).toEqual({
      index: 2,
      name: 'note',
      samples: ['one\ntwo, "three"'],
      suggested: 'ignore',
    });
  });

  it('goes on behind lines that cannot be read', async () => {
    const { rows, bad } = await look('name,phone\n"Ann,1\nBen,2\n"Cy"x,3\nDi,4\n');
    expect(rows.map(([name]) => name)).toEqual(['Ben', 'Di']);
    expect(bad).toEqual(['"Ann,1', '"Cy"x,3']);
  });

  it.each([
    ['nothing', ''],
    ['a header alone', 'name,phone\n'],
    ['line breaks alone', '\n\r\n\n'],
    ['delimiters alone', ',,\n,,\n'],
  ])('refuses %s', async (_, text) => {
    await expect(look(text)).rejects.toMatchObject({ code: 'import:empty' });
  });

  it('refuses more columns than the limit', async () => {
    const line = Array.from({ length: 201 }, (_, n) => `c${n}`).join(',');
    await expect(look(`phone,${line}\n1,${line}\n`)).rejects.toMatchObject({
      code: 'import:too_many_columns',
      data: { limit: 200, columns: 202 },
    });
  });
});

describe('suggestions', () => {
  it.each<[string, string, string[]]>([
    [
      'English',
      'First Name,Last name,Mobile Phone,E-mail,Zip\na,b,c,d,e\n',
      ['firstName', 'lastName', 'phone', 'email', 'ignore'],
    ],
    ['Hebrew', HEBREW, ['firstName', 'lastName', 'phone']],
    ['French', FRENCH, ['firstName', 'lastName', 'phone']],
    [
      'German',
      'Vorname;Nachname;Handy;E-Mail;Land\na;b;c;d;e\n',
      ['firstName', 'lastName', 'phone', 'email', 'country'],
    ],
    [
      'Spanish',
      'Nombre;Apellidos;Teléfono móvil;Correo\na;b;c;d\n',
      ['firstName', 'lastName', 'phone', 'email'],
    ],
    ['Russian', RUSSIAN, ['firstName', 'lastName', 'phone']],
    ['a full name', 'Name,Cell\na,b\n', ['fullName', 'phone']],
  ])('understands %s headers', async (_, text, expected) => {
    expect(await suggested(text)).toEqual(expected);
  });

  it('goes by what the cells hold where names say nothing', async () => {
    const text = 'x,y,z\nAnn,+1 212 200 0001,ann@example.com\nBen,(212) 200-0002,ben@example.org\n';
    expect(await suggested(text)).toEqual(['ignore', 'phone', 'email']);
    expect(await suggested('Ann,212-200-0001\nBen,212-200-0002\n')).toEqual(['ignore', 'phone']);
  });

  it('takes no date, no amount and no second phone for the phone', async () => {
    const text =
      'a,b,phone,other\n2026-01-15,12.50,+12122000001,+12122000002\n2026-01-16,99.00,+12122000003,\n';
    expect(await suggested(text)).toEqual(['ignore', 'ignore', 'phone', 'ignore']);
  });
});

describe('the folder of files', () => {
  it('gives files to their owner alone and leaves no half upload behind', async () => {
    const other = uuid7();
    const received = await files.receive(other, Readable.from([Buffer.from('a,b\n1,2\n')]));
    expect((await stat(received.path)).mode & 0o777).toBe(0o600);
    const id = uuid7();
    await files.keep(received, other, id);
    await files.drop(received);
    const broken = new Readable({ read: () => undefined });
    broken.push('half');
    const receiving = files.receive(other, broken);
    broken.destroy(new Error('cut'));
    await expect(receiving).rejects.toThrow(/cut|Premature close/);
    expect(await readdir(join(folder, other))).toEqual([id]);
    expect(received).toMatchObject({ bytes: 8, isWhole: true });
    expect(received.fileHash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('says so when a file is gone', async () => {
    const format = { encoding: 'utf-8', delimiter: ',', header: true, columns: 1 };
    await expect(files.columns(account, uuid7(), format)).rejects.toMatchObject({ code: 'import:file_gone' });
    await expect(files.rows(account, uuid7(), format).next()).rejects.toMatchObject({
      code: 'import:file_gone',
    });
  });
});
