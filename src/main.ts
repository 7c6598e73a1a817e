// The gateway as a process: reads the settings, serves, and on SIGINT or SIGTERM finishes what runs and stops.

import { enableCompileCache } from 'node:module'
import { ConfigError, parseConfig } from './config.ts'
import { messageOf } from './errors.ts'
import { createLog } from './log.ts'

/** A part that hangs while stopping does not keep the process longer than this. */
const stopWithinMs = 15_000

async function main() {
  const config = parseConfig(process.env)
  const log = createLog(config.logLevel, { readable: process.stdout.isTTY === true })
  // Each statement that runs holds one of libuv's threads; they are counted at their first use.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  // What was compiled once is not compiled at the next start; so the rest is loaded after this.
  enableCompileCache()
  const { createApp } = await import('./app.ts')
  const app = await createApp(config, log)

  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (stopping) process.exit(1)
      stopping = true
      log.info('Stopping: finishing what runs (once more to stop at once)')
      setTimeout(() => {
        log.error(`Stopped without waiting any longer than ${stopWithinMs / 1000} s`)
        process.exit(1)
      }, stopWithinMs).unref()
      await app.close()
      process.exit(0)
    })
  }

  try {
    const { url } = await app.listen()
    log.info(`Ready. GraphQL and GraphiQL: ${url}/graphql · REST: ${url}/docs · health: ${url}/readyz`)
  } catch (error) {
    await app.close()
    throw error
  }
}

main().catch((error: unknown) => {
  const sentence =
    error instanceof ConfigError ? error.message : `The gateway could not start: ${messageOf(error)}`
  console.error(sentence)
  if (!(error instanceof ConfigError) && error instanceof Error && process.env.LOG_LEVEL === 'debug')
    console.error(error.stack)
  process.exitCode = 1
})
