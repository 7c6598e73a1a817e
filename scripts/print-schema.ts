// Writes schema.graphql from the code; with --check it only compares, and fails when the file is out of step.

import { readFile, writeFile } from 'node:fs/promises'
import { lexicographicSortSchema, printSchema } from 'graphql'
import { createSchema } from '../src/schema/index.ts'
import type { Services } from '../src/schema/services.ts'

const path = new URL('../schema.graphql', import.meta.url)
/** Printing resolves nothing, so no service is needed. */
const noServices = {} as Services
const text = `${printSchema(lexicographicSortSchema(createSchema(noServices)))}\n`

if (process.argv.includes('--check')) {
  const committed = await readFile(path, 'utf8').catch(() => '')
  if (committed !== text) {
    console.error(
      'schema.graphql is out of step with src/schema: run `npm run schema` and commit what it writes.',
    )
    process.exitCode = 1
  }
} else {
  await writeFile(path, text)
}
