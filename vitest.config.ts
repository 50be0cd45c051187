import { defineConfig } from 'vitest/config';

/**
 * One project over the whole repository. Decorator metadata must be asked for explicitly: without it Nest's
 * constructor injection finds no types in files that Vitest transforms.
 */
export default defineConfig({
  resolve: { conditions: ['@muster/source', 'node', 'import', 'default'] },
  ssr: { resolve: { conditions: ['@muster/source', 'node', 'import', 'default'] } },
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: ['{libs,services,deploy,tools,e2e}/**/*.spec.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: process.env['MUSTER_TEST_JSON'] ? ['default', 'json'] : ['default'],
    outputFile: process.env['MUSTER_TEST_JSON'] ? { json: process.env['MUSTER_TEST_JSON'] } : {},
  },
});
