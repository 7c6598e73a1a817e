// Several processes on one port, one for each core: each is a gateway of its own; the first process only starts them again and stops them.

import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { acquireLock } from '../catalog/database/lock.ts'
import { type Config, dataPaths } from '../config/config.ts'
import { makeFolder } from '../config/folders.ts'
import { serveWorkerMetrics } from '../telemetry/gather.ts'

/** Set in a worker's environment by the process that starts it. */
const numberVariable = 'GATEWAY_WORKER'
const shortestPauseMs = 1000
const longestPauseMs = 30_000
/** Who has served so long and dies is started again at once. */
const steadyAfterMs = 10_000

/** From 1 on; null in a process that is nobody's worker. */
export function workerNumber(): number | null {
  return cluster.isWorker ? Number(process.env[numberVariable]) : null
}

/** A worker's own folder under DATA_DIR; datasets are everyone's. */
export function workerConfig(config: Config, number: number): Config {
  return { ...config, dataDir: join(config.dataDir, `worker-${number}`) }
}

/** Tells the first process that this worker serves. */
export function announceReady(url: string): void {
  process.send?.({ url })
}

/** The URL that the worker announces; null when it ends before. */
function firstWord(worker: Worker): Promise<string | null> {
  return new Promise((resolve) => {
    worker.on('message', (message: { url?: string }) => {
      if (message.url !== undefined) resolve(message.url)
    })
    worker.once('exit', () => resolve(null))
  })
}

export interface Workers {
  /** Where they serve. */
  url: string
  /** Lets each finish what runs; resolves when all are gone. */
  stop(): Promise<void>
  killNow(): void
}

/**
 * Starts the workers: the first alone, which prepares the stores, then the others. One that dies is started again, after
 * a pause that grows while it does not stay up. Rejects, with none left, when one cannot start; it has said why.
 */
export async function startWorkers(config: Config, log: Logger): Promise<Workers> {
  await makeFolder(config.dataDir, 'DATA_DIR')
  const lock = await acquireLock(dataPaths(config.dataDir).lock)
  const running = new Map<number, Worker>()
  let stopping = false
  const endMetrics = serveWorkerMetrics(running)

  async function start(number: number): Promise<string> {
    const worker = cluster.fork({ [numberVariable]: `${number}` })
    running.set(number, worker)
    worker.once('exit', () => running.delete(number))
    const url = await firstWord(worker)
    if (url === null) throw new Error(`Worker ${number} ended while it started`)
    log.info(`Worker ${number} (process ${worker.process.pid}) serves`)
    return url
  }

  /** Resolves when the workers stop for good. */
  async function keep(number: number): Promise<void> {
    let pauseMs = 0
    while (!stopping) {
      const since = performance.now()
      const worker = running.get(number)
      if (worker) await once(worker, 'exit')
      if (stopping) return
      const steady = performance.now() - since > steadyAfterMs
      pauseMs = steady ? 0 : Math.min(Math.max(pauseMs * 2, shortestPauseMs), longestPauseMs)
      log.error(`Worker ${number} ended; it is started again${steady ? '' : ` in ${pauseMs / 1000} s`}`)
      await sleep(pauseMs, undefined, { ref: false })
      if (!stopping) await start(number).catch(() => undefined)
    }
  }

  function killNow() {
    stopping = true
    for (const worker of running.values()) worker.process.kill('SIGKILL')
  }

  async function stop() {
    stopping = true
    const gone = [...running.values()].map((worker) => once(worker, 'exit'))
    for (const worker of running.values()) worker.process.kill('SIGTERM')
    await Promise.all(gone)
    endMetrics()
    await lock.release()
  }

  try {
    const url = await start(1)
    await Promise.all(Array.from({ length: config.workers - 1 }, (_, i) => start(i + 2)))
    for (let number = 1; number <= config.workers; number++) void keep(number)
    return { url, stop, killNow }
  } catch (error) {
    await stop()
    throw error
  }
}
