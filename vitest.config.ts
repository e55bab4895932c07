import { defineConfig } from 'vitest/config'

const notOurs = ['**/node_modules/**', '**/.next/**', '**/out/**']

/** Black-box checks that boot, kill or refuse a stack of their own, or need none. */
const OWN_STACK = ['conformance/{boot,second-verifier,kill-matrix,gauntlet,walk}{.test.ts,/**/*.test.ts}']

export default defineConfig({
  test: {
    // What a passing test's parts print is noise; a failing one shows all of it.
    silent: 'passed-only',
    // Each file's own process waits most of the time: for a workerd, a Postgres or a lease to run out.
    maxWorkers: 2,
    projects: [
      'vitest.domain.config.ts',
      {
        // The alias by which `edge-functions/deno.json` imports the domain.
        resolve: { alias: [{ find: /^domain\//, replacement: `${import.meta.dirname}/domain/` }] },
        test: {
          name: 'rooms',
          include: ['{workers,durable-objects,edge-functions,cli,dashboards,local,tools}/**/*.test.ts'],
          exclude: notOurs,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'sql',
          include: ['sql/tests/**/*.test.ts'],
          globalSetup: ['sql/tests/postgres.setup.ts'],
          // One server and one schema for all files.
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'whole stack',
          include: ['conformance/**/*.test.ts'],
          exclude: [...notOurs, ...OWN_STACK],
          globalSetup: ['conformance/stack.setup.ts'],
          // One stack serves all files: they go one after another.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'own stack',
          include: OWN_STACK,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
