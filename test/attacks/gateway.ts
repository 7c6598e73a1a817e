// A gateway to attack: small limits, and markers in its environment, its files and its log that no answer may hold.

import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createDemoTables } from '../../src/demo/tables.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDataFolder } from '../data-folder.ts'
import { createClient } from '../http/client.ts'

/** In the environment, in files beside the data; what is in the environment is never logged either. */
export const marker = 'MARKER-3f9c2b'

export type Target = Awaited<ReturnType<typeof openTarget>>

export async function openTarget(settings: Record<string, string> = {}) {
  process.env.ATTACK_MARKER = `${marker}-environment`
  const folder = await createDataFolder('attacks')
  const secretFile = join(folder.path, 'secret.csv')
  await writeFile(secretFile, `a\n${marker}-file\n`)
  const config = parseConfig({
    PORT: '0',
    DATA_DIR: folder.path,
    WAREHOUSE_MEMORY_MB: '512',
    TRAIN_TIMEOUT_SECONDS: '20',
    LOOKUP_TIMEOUT_MS: '10000',
    ...settings,
  })
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  const app = await createApp(config, log, { metrics: createMetrics() })
  await createDemoTables(app.services.warehouse)
  const { url } = await app.listen()
  return {
    url,
    folder: folder.path,
    secretFile,
    logged,
    ...createClient(url),
    /** The answer of one training query, and its text. */
    async train(query: string) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: trainDocument, variables: { query } }),
      })
      const text = await response.text()
      const { errors, data } = JSON.parse(text) as {
        errors?: { message: string; extensions: { code: string } }[]
        data?: { queryTrain: { dataset: { id: string; rows: unknown } } } | null
      }
      return { text, code: errors?.[0]?.extensions.code ?? 'OK', message: errors?.[0]?.message, data }
    },
    async close() {
      await app.close()
      await folder.remove()
      await rm(secretFile, { force: true })
      delete process.env.ATTACK_MARKER
    },
  }
}

const trainDocument = `mutation ($query: String!) {
  queryTrain(query: $query, queryName: "attack", save: false, waitMs: 60000) { dataset { id status rows } }
}`
