import { defineConfig } from 'vitest/config'
import SlowestFirst from './test/slowest-first.ts'

/** The end-to-end tests that hold on whatever stores; the other files choose theirs. */
const onAllStores = [
  'as-of',
  'catalog',
  'erased-in-time',
  'in-time',
  'lifecycle',
  'parity',
  'readme',
  'tricky-values',
].map((name) => `test/e2e/${name}.test.ts`)

export default defineConfig({
  // As Node resolves packages: else graphql would be loaded twice, once in its build for development.
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'embedded',
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          provide: { stores: 'EMBEDDED' },
        },
      },
      {
        extends: true,
        test: { name: 'PostgreSQL and Redis', include: onAllStores, provide: { stores: 'SERVERS' } },
      },
    ],
    globalSetup: ['test/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    // By default a second, which a busy machine needs for less.
    expect: { poll: { timeout: 20_000 } },
    // More than there are cores in CI: a test that waits for a server leaves its core to another.
    maxWorkers: 3,
    pool: 'forks',
    // A process runs many files, one after the other: loading the gateway for each took longer than many a test.
    isolate: false,
    sequence: { sequencer: SlowestFirst },
    // The gate's machine is shared: a test that held at its second try is named in the summary, and is to be looked at.
    retry: process.env.CI === undefined ? 0 : 1,
    reporters: ['default', './test/plain-summary.ts'],
  },
})
