// Checks the import boundaries that package tags promise: a lib imports only libs, no service imports another,
// and every package that is imported by name is declared where it is imported.
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join, relative, resolve, dirname } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folders = ['libs', 'services', 'deploy'].flatMap((parent) =>
  readdirSync(join(root, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, parent, entry.name, 'package.json')))
    .map((entry) => join(root, parent, entry.name)),
);

const packages = folders.map((folder) => {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const tag = (kind) => manifest.nx.tags.find((t) => t.startsWith(`${kind}:`)).slice(kind.length + 1);
  return {
    folder,
    name: manifest.name,
    type: tag('type'),
    dependencies: Object.keys(manifest.dependencies ?? {}),
  };
});
const byName = new Map(packages.map((p) => [p.name, p]));

/** @param {string} folder @returns {string[]} every TypeScript source below it */
function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.(ts|tsx)$/.test(entry.name) ? [path] : [];
  });
}

const packageOf = (specifier) =>
  specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier.split('/')[0];

/** What is wrong with one import, or null. */
function fault(owner, file, specifier) {
  if (specifier.startsWith('.')) {
    const target = resolve(dirname(file), specifier);
    return target.startsWith(owner.folder) ? null : 'reaches out of its package by a relative path';
  }
  if (specifier.startsWith('node:')) return null;
  const name = packageOf(specifier);
  const target = byName.get(name);
  const isSpec = /(\.(spec|bench)\.ts|\/(test|contract)-[\w-]+\.ts)$/.test(file);
  if (target?.type === 'service') return `imports the service ${name}`;
  if (name === '@muster/testing' && !isSpec && owner.type === 'service')
    return 'uses the test kit outside a spec';
  if (isSpec) return null;
  return owner.dependencies.includes(name) || owner.name === name ? null : `does not declare ${name}`;
}

const faults = packages.flatMap((owner) =>
  sources(owner.folder).flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /^\s*(?:import|export)\s[^;'"]*?from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]/gm,
      ),
    ]
      .map((match) => match[1] ?? match[2])
      .flatMap((specifier) => {
        const why = fault(owner, file, specifier);
        return why ? [`${relative(root, file)}: ${specifier}: ${why}`] : [];
      }),
  ),
);
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(`boundaries: ${packages.length} packages keep to theirs`);
