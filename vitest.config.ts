import { defineConfig } from 'vitest/config'

export default defineConfig({
  // As Node resolves packages: else graphql would be loaded twice, once in its build for development.
  ssr: { resolve: { conditions: ['module-sync', 'node'] } },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
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
