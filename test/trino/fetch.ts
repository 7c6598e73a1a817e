// `node test/trino/fetch.ts`: fetches what the Trino suite runs; its failure says what could not be had.

import { ensureJava, ensureTrino } from '../servers/trino-files.ts'

try {
  await ensureTrino()
  await ensureJava()
} catch (error) {
  console.error(`Trino cannot be had: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
