// Starts the one Trino that the suite shares; each file has a catalog of its own. Without a server the suite fails.

import type { TestProject } from 'vitest/node'
import { startPostgres } from '../servers/postgres.ts'
import { startTrino } from '../servers/trino.ts'

/** By the file that uses it. */
export const trinoCatalogs = [
  'own',
  'contract',
  'reads',
  'faults',
  'gateway',
  'progress',
  'rows',
  'views',
  'kinds',
  'sets',
  'moments',
  'times',
  'spines',
] as const

declare module 'vitest' {
  interface ProvidedContext {
    trinoPort: number
    /** The database behind the catalog `postgres`. */
    trinoPostgresUrl: string
  }
}

export async function setup(project: TestProject) {
  const postgres = await startPostgres()
  const server = await startTrino(trinoCatalogs, { postgres: postgres.url }).catch((error: unknown) => {
    // Not thrown: the sentence would drown in the runner's stack trace and its "no test files found".
    process.stderr.write(`\nThe Trino suite cannot run: ${String(error)}\n`)
    process.exit(1)
  })
  project.provide('trinoPort', server.port)
  project.provide('trinoPostgresUrl', postgres.url)
  return async () => {
    await server.stop()
    await postgres.stop()
  }
}
