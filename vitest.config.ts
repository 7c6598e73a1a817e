import { defineConfig } from 'vitest/config'

/** The end-to-end tests that hold on whatever stores; the other files choose theirs. */
const onAllStores = ['catalog', 'examples', 'lifecycle', 'parity', 'readme', 'tricky-values'].map(
  (name) => `test/e2e/${name}.test.ts`,
)

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
    maxWorkers: 2,
    pool: 'forks',
    reporters: ['default', './test/plain-summary.ts'],
  },
})
