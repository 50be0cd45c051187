import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const code = tracked.filter((file) => /\.(ts|tsx|mjs|js)$/.test(file));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Words are written with a gap here, so that this file does not trip over itself. */
const joined = (word: string): string => word.replace('{}', '');

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

/** Names of functions of one file that are longer than the house allows; blocks of specs and suites that run twice are no functions. */
export function longFunctions(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isTest = /(\.spec\.ts|\/(test|contract)-[\w-]+\.ts)$/.test(file);
    const isSuite = /\/contract-[\w-]+\.ts$/.test(file) && ts.isFunctionDeclaration(node);
    const isSpecBlock = isSuite || (isTest && ts.isArrowFunction(node) && ts.isCallExpression(node.parent));
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isSpecBlock) {
      const line = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
      const lines = line(node.end) - line(node.getStart()) + 1;
      if (lines > FUNCTION_LINES_MAX)
        found.push(`${file}: ${lines} lines from line ${line(node.getStart()) + 1}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('the house rules', () => {
  it(`keeps every source file within ${FILE_LINES_MAX} lines`, () => {
    expect(code.filter((file) => read(file).split('\n').length - 1 > FILE_LINES_MAX)).toEqual([]);
  });

  it(`keeps every function within ${FUNCTION_LINES_MAX} lines`, () => {
    expect(code.flatMap((file) => longFunctions(file, read(file)))).toEqual([]);
  });

  it('notices a function that is too long', () => {
    const text = `function long() {\n${'call();\n'.repeat(FUNCTION_LINES_MAX)}}\n`;
    expect(longFunctions('canary.ts', text)).toHaveLength(1);
  });

  it('has no folder whose name says nothing', () => {
    expect(tracked.filter((file) => /(^|\/)(common|utils|shared|helpers|core|misc)\//.test(file))).toEqual(
      [],
    );
  });

  it('leaves nothing unfinished by its own words', () => {
    const words = new RegExp(
      ['TO{}DO', 'FIX{}ME', 'X{}XX']
        .map(joined)
        .map((word) => `\\b${word}\\b`)
        .join('|'),
    );
    expect(code.filter((file) => words.test(read(file)))).toEqual([]);
  });

  it('reads the environment only in config files', () => {
    const readers = code.filter(
      (file) => /^(libs|services)\//.test(file) && !/(config|\.spec)\.ts$/.test(file),
    );
    expect(readers.filter((file) => /process\.env/.test(read(file)))).toEqual([]);
  });

  it('names no machine path and no package registry', () => {
    const places = new RegExp(
      ['/wo{}rk/', 'regis{}try\\.npmjs', 'deb\\.deb{}ian', '\\.\\./sha{}red'].map(joined).join('|'),
    );
    expect(
      tracked.filter(
        (file) => /\.(ts|mjs|js|json|md|sh|yml|yaml)$|^muster$|^\.ci\//.test(file) && places.test(read(file)),
      ),
    ).toEqual([]);
  });

  it('has only links that resolve in its documents', () => {
    const broken = tracked
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...read(file).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)]
          .map((match) => match[1] as string)
          .filter((link) => !existsSync(join(root, dirname(file), link)))
          .map((link) => `${file}: ${link}`),
      );
    expect(broken).toEqual([]);
  });
});
