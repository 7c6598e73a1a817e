// `npm run demo`: starts the gateway on its embedded stores, plays the whole story against it as a client, and goes on serving.

import { join } from 'node:path'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/config-error.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createDemoRepository } from './repository.ts'
import { playStory } from './story.ts'

/** A real public table: three million flights, shipped in the npm package vega-datasets. */
const flightsFile = join(import.meta.dirname, '../../node_modules/vega-datasets/data/flights-3m.parquet')

async function main() {
  const dataDir = process.env.DATA_DIR ?? './data'
  const repository = await createDemoRepository(join(dataDir, 'demo-etls'))
  const config = parseConfig({
    LOG_LEVEL: 'warn',
    ...process.env,
    WAREHOUSE_FILES: [process.env.WAREHOUSE_FILES, flightsFile].filter(Boolean).join(','),
    ETL_SOURCES: [process.env.ETL_SOURCES, repository.folder].filter(Boolean).join(','),
  })

  console.log('Starting the gateway (the very first start prepares its databases) …')
  const startedAt = performance.now()
  const app = await createApp(config, createLog(config.logLevel, { readable: true }), {
    metrics: createMetrics(),
  })
  const stop = async () => {
    await app.close()
    process.exit(0)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    const { url } = await app.listen()
    console.log(`Serving after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`)
    await playStory({ url, etlPath: repository.etlPath })
    console.log(`
It goes on serving until Ctrl-C; what you saw is kept in ${dataDir}.
  GraphiQL            ${url}/graphql
  REST documentation  ${url}/docs
  Health              ${url}/readyz`)
  } catch (error) {
    await app.close()
    throw error
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
})
