import { defineConfig } from 'vitest/config'

/** `npm run test:trino`: apart from the other tests, for its server is a download of 821 MB. */
export default defineConfig({
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    name: 'Trino',
    include: ['test/trino/**/*.trino.ts'],
    globalSetup: ['test/setup.ts', 'test/trino/setup.ts'],
    provide: { stores: 'SERVERS' },
    // A JVM that is cold takes its time where others compute beside it.
    testTimeout: 400_000,
    hookTimeout: 400_000,
    expect: { poll: { timeout: 20_000 } },
    maxWorkers: 2,
    pool: 'forks',
    retry: process.env.CI === undefined ? 0 : 1,
    reporters: ['default', './test/plain-summary.ts'],
  },
})
