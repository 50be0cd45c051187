import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ALL_SUBJECTS } from '@muster/contracts/all-subjects';
import * as audience from '@muster/contracts/audience';
import * as consent from '@muster/contracts/consent';
import * as contact from '@muster/contracts/contact';
import * as field from '@muster/contracts/field';
import * as group from '@muster/contracts/group';
import * as imports from '@muster/contracts/import';
import * as inbound from '@muster/contracts/inbound';
import { SERVICES } from '@muster/contracts/names';
import type { Subject } from '@muster/contracts/subject';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const MODULES: Record<string, object> = {
  audience,
  consent,
  contact,
  field,
  group,
  import: imports,
  inbound,
};

/** Sources that run in production: no specs, and no helpers of specs. */
function sourcesOf(service: string): string[] {
  const folder = join(root, 'services', service, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/(^|\/)test-[^/]*\.ts$|\.(spec|bench|fixture)\.ts$/.test(name))
    .map((name) => join(folder, name));
}

/** The names of subjects that a file answers, found by its decorators and by what it imports. */
export function handledIn(file: string, text: string): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const imported = new Map<string, Subject | undefined>();
  const handled: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const path = (node.moduleSpecifier as ts.StringLiteral).text;
      const from = MODULES[path.replace('@muster/contracts/', '')] as Record<string, Subject> | undefined;
      const names = node.importClause?.namedBindings;
      if (path.startsWith('@muster/contracts/') && names && ts.isNamedImports(names)) {
        for (const { name, propertyName } of names.elements) {
          imported.set(name.text, from?.[(propertyName ?? name).text]);
        }
      }
    }
    if (ts.isDecorator(node) && ts.isCallExpression(node.expression)) {
      const [argument] = node.expression.arguments;
      if (node.expression.expression.getText() === 'Handles' && argument) {
        handled.push(imported.get(argument.getText())?.subject ?? `${file}: ${argument.getText()}`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return handled;
}

const handledBy = (service: string): string[] =>
  sourcesOf(service).flatMap((file) => handledIn(file, readFileSync(file, 'utf8')));

describe('every subject has exactly one handler', () => {
  it.each(SERVICES.map((service) => [service]))('%s answers its own subjects, each once', (service) => {
    const own = ALL_SUBJECTS.filter((subject) => subject.service === service).map(({ subject }) => subject);
    expect(handledBy(service).toSorted()).toEqual(own.toSorted());
  });

  it('is found by the name under which a file imports it', () => {
    const text = [
      "import { changeContact as changeSubject } from '@muster/contracts/contact';",
      "import { revokeConsent } from '@muster/contracts/consent';",
      'class Some {',
      '  @Handles(changeSubject) async a() {}',
      '  @Handles(revokeConsent) async b() {}',
      '  @Handles(nowhere) async c() {}',
      '  @Other(revokeConsent) async d() {}',
      '}',
    ].join('\n');
    expect(handledIn('some.ts', text)).toEqual([
      'contacts.cmd.change-contact',
      'compliance.cmd.revoke-consent',
      'some.ts: nowhere',
    ]);
  });
});
