// The metrics of several processes on one port: whichever is asked has the first process collect them from all.

import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry, type MetricObject, type Registry } from 'prom-client'

/** Of every process behind the port and of what they share, in Prometheus' text form. */
export type GatherMetrics = (shared: Registry) => Promise<string>

/** A worker that has not told by then is left out, and said to be down. */
const toldWithinMs = 1000

type Told = readonly MetricObject[]

interface Collected {
  /** By a worker's number; null for one that did not tell. */
  told: readonly (readonly [worker: number, metrics: Told | null])[]
}

type Message =
  | { metrics: 'wanted'; id: number }
  | { metrics: 'asked'; id: number }
  | { metrics: 'told'; id: number; own: Told }
  | ({ metrics: 'collected'; id: number } & Collected)

function isMessage(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'metrics' in message && 'id' in message
}

/** Of the only process. */
export function createOwnMetrics(own: Registry): GatherMetrics {
  return async (shared) => `${await own.metrics()}\n${await shared.metrics()}`
}

/** In a worker. Every sample carries the worker's number: a counter that begins anew is then seen as such. */
export function createWorkerMetrics(own: Registry): GatherMetrics {
  const waiting = new Map<number, (collected: Collected) => void>()
  let nextId = 1

  process.on('message', (message: unknown) => {
    if (!isMessage(message)) return
    if (message.metrics === 'collected') waiting.get(message.id)?.(message)
    if (message.metrics === 'asked') void tell(message.id)
  })

  async function tell(id: number) {
    process.send?.({ metrics: 'told', id, own: await own.getMetricsAsJSON() } satisfies Message)
  }

  return async (shared) => {
    const id = nextId++
    const { promise, resolve } = Promise.withResolvers<Collected>()
    waiting.set(id, resolve)
    // The first process gives up on a worker in time; if it hangs itself, this one tells what it knows.
    const timer = setTimeout(() => resolve({ told: [] }), 2 * toldWithinMs)
    process.send?.({ metrics: 'wanted', id } satisfies Message)
    const { told } = await promise
    clearTimeout(timer)
    waiting.delete(id)
    return `${await merge(told).metrics()}\n${await shared.metrics()}`
  }
}

function merge(told: Collected['told']): Registry {
  const up: MetricObject = {
    name: 'gateway_worker_up',
    help: 'Whether a worker told its metrics',
    type: 'gauge',
    aggregator: 'sum',
    values: told.map(([worker, metrics]) => ({ labels: { worker }, value: metrics === null ? 0 : 1 })),
  } as unknown as MetricObject
  const labelled = told.map(([worker, metrics]) =>
    (metrics ?? []).map((metric) => withLabel(metric as Valued, worker)),
  )
  return AggregatorRegistry.aggregate([...labelled, [up]])
}

interface Valued extends MetricObject {
  values: { labels: Record<string, string | number>; value: number }[]
}

/** No two samples are alike then, so a sum is each one itself. */
function withLabel(metric: Valued, worker: number): MetricObject {
  const values = metric.values.map((sample) => ({ ...sample, labels: { ...sample.labels, worker } }))
  return { ...metric, aggregator: 'sum', values } as MetricObject
}

/** In the first process: asks every worker on behalf of one. */
export function serveWorkerMetrics(running: ReadonlyMap<number, Worker>): () => void {
  const collecting = new Map<number, (worker: Worker, own: Told) => void>()
  let nextId = 1

  function collect(requester: Worker, requestId: number) {
    const id = nextId++
    const told = new Map<number, Told | null>([...running.keys()].map((number) => [number, null]))
    const finish = () => {
      clearTimeout(timer)
      collecting.delete(id)
      const message = { metrics: 'collected', id: requestId, told: [...told] } satisfies Message
      if (requester.isConnected()) requester.send(message)
    }
    const timer = setTimeout(finish, toldWithinMs)
    collecting.set(id, (worker, own) => {
      for (const [number, known] of running) if (known.id === worker.id) told.set(number, own)
      if ([...told.values()].every((each) => each !== null)) finish()
    })
    for (const worker of running.values()) {
      if (worker.isConnected()) worker.send({ metrics: 'asked', id } satisfies Message)
    }
  }

  function listen(worker: Worker, message: unknown) {
    if (!isMessage(message)) return
    if (message.metrics === 'wanted') collect(worker, message.id)
    if (message.metrics === 'told') collecting.get(message.id)?.(worker, message.own)
  }

  cluster.on('message', listen)
  return () => void cluster.off('message', listen)
}
