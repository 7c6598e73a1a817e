// The gateway's process: reads the settings, serves, and on SIGINT or SIGTERM finishes what runs and stops.

import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { type Config, parseConfig } from './config/config.ts'
import { ConfigError } from './config/config-error.ts'
import { withoutSecrets } from './config/secrets.ts'
import { messageOf } from './errors.ts'
import { announceReady, startWorkers, workerConfig, workerNumber } from './operations/workers.ts'
import { createWorkerMetrics } from './telemetry/gather.ts'
import { createLog } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'

/** A part that hangs while stopping does not keep the process longer than this, once it has drained. */
const stopWithinMs = 15_000
/** The first process waits a little longer than its workers. */
const workersStopWithinMs = stopWithinMs + 3_000

/** Where the gateway cannot start, it says why and the process ends. */
export async function run() {
  try {
    await start()
  } catch (error) {
    tellFailure(error)
  }
}

async function start() {
  const config = parseConfig(process.env)
  const log = createLog(config.logLevel, { readable: process.stdout.isTTY === true })
  const worker = workerNumber()
  if (worker === null) for (const sentence of config.misspelt) log.warn(sentence)
  if (worker !== null) return serve(workerConfig(config, worker), log.child({ worker }), announceReady)
  const announce = (url: string) =>
    log.info(`Ready. GraphQL and GraphiQL: ${url}/graphql · REST: ${url}/docs · health: ${url}/readyz`)
  if (config.workers === 1) return serve(config, log, announce)

  const workers = await startWorkers(config, log)
  const limitMs = config.drainMs + workersStopWithinMs
  stopOnSignals(log, { ...workers, limitMs })
  announce(workers.url)
}

async function serve(config: Config, log: Logger, announce: (url: string) => void) {
  // Each statement that runs holds one of libuv's threads; they are counted at their first use.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  const tracing = config.tracing ? await startTraces(log) : null
  const { createApp } = await import('./app.ts')
  const metrics = createMetrics()
  metrics.watchProcess()
  const gatherMetrics = workerNumber() === null ? undefined : createWorkerMetrics(metrics.registry)
  const app = await createApp(config, log, { metrics, gatherMetrics })
  const limitMs = config.drainMs + stopWithinMs
  stopOnSignals(log, {
    limitMs,
    async stop() {
      app.leave()
      await sleep(config.drainMs)
      await app.close()
      await tracing?.stop()
    },
  })
  try {
    const { url } = await app.listen()
    announce(url)
  } catch (error) {
    await app.close()
    throw error
  }
}

async function startTraces(log: Logger) {
  const { startTracing } = await import('./telemetry/sdk.ts')
  const worker = workerNumber()
  const instance = `${hostname()}:${process.pid}${worker === null ? '' : ` worker ${worker}`}`
  return startTracing({ version: packageJson.version, instance, log })
}

/** `killNow` takes along what the process has started, when it is not waited for any longer. */
function stopOnSignals(
  log: Logger,
  part: { stop: () => Promise<void>; killNow?: () => void; limitMs: number },
) {
  let stopping = false
  function exitNow() {
    part.killNow?.()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      // Ctrl-C goes to workers too: they wait for the first process's word.
      if (signal === 'SIGINT' && workerNumber() !== null) return
      if (stopping) exitNow()
      stopping = true
      log.info('Stopping: finishing what runs (once more to stop at once)')
      setTimeout(() => {
        log.error(`Stopped without waiting any longer than ${part.limitMs / 1000} s`)
        exitNow()
      }, part.limitMs).unref()
      await part.stop()
      process.exit(0)
    })
  }
}

function tellFailure(error: unknown) {
  const sentence =
    error instanceof ConfigError ? error.message : `The gateway could not start: ${messageOf(error)}`
  console.error(withoutSecrets(sentence))
  if (!(error instanceof ConfigError) && error instanceof Error && process.env.LOG_LEVEL === 'debug')
    console.error(withoutSecrets(error.stack ?? ''))
  process.exitCode = 1
}
