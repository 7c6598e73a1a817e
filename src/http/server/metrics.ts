// /metrics: what the processes behind this port count, and how it stands with what they share.

import { Registry } from 'prom-client'
import { z } from 'zod'
import type { Catalog } from '../../catalog/open.ts'
import { within } from '../../concurrency/within.ts'
import { createFamilies } from '../../telemetry/families.ts'
import { createOwnMetrics, type GatherMetrics } from '../../telemetry/gather.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { answer } from '../rest/bodies.ts'
import type { RestServer } from '../rest/openapi.ts'
import type { Probes } from './health.ts'

/** What the catalog has not answered by then is left out. */
const readWithinMs = 2_000

export interface MetricsOptions {
  metrics: Metrics
  catalog: Pick<Catalog, 'backlog'>
  probes: Probes
  /** Else it takes the scope `admin`. */
  isOpen: boolean
  gather?: GatherMetrics | undefined
}

export function addMetrics(app: RestServer, options: MetricsOptions) {
  const { metrics, isOpen, gather = createOwnMetrics(metrics.registry) } = options
  const shared = createSharedRegistry(options)
  app.get(
    '/metrics',
    {
      config: { access: isOpen ? 'open' : 'admin' },
      schema: {
        tags: ['health'],
        operationId: 'metrics',
        summary: 'Metrics for Prometheus, of all processes that share this port',
        response: { 200: answer("In Prometheus' text format", z.string(), 'text/plain') },
      },
    },
    async (_request, reply) => reply.type(shared.contentType).send(await gather(shared)),
  )
}

/** What is the same whichever process is asked. */
function createSharedRegistry({ catalog, probes }: MetricsOptions): Registry {
  const registry = new Registry()
  const { gauge } = createFamilies(registry)
  let checked: ReturnType<Probes['check']> | undefined
  /** Both metrics of one request show one check. */
  function check() {
    checked ??= probes.check().finally(() => {
      checked = undefined
    })
    return checked
  }
  gauge(
    {
      name: 'gateway_dependency_up',
      help: 'Whether what the gateway stands on answers (1) or not (0)',
      labels: ['dependency'],
    },
    async () => (await check()).map(({ name, state }) => [[name], state === 'up' ? 1 : 0]),
  )
  gauge(
    {
      name: 'gateway_dependency_ping_seconds',
      help: 'How long what the gateway stands on took to answer a ping, or was waited for',
      labels: ['dependency'],
    },
    async () => (await check()).map(({ name, latencyMs }) => [[name], latencyMs / 1000]),
  )

  const backlog = async () => within(readWithinMs, catalog.backlog(), () => [])
  gauge(
    {
      name: 'gateway_jobs',
      help: 'Publish jobs and datasets that wait or run, on all gateways of the catalog',
      labels: ['kind', 'status'],
    },
    async () => (await backlog()).map(({ kind, status, count }) => [[kind, status], count]),
  )
  gauge(
    {
      name: 'gateway_queue_age_seconds',
      help: 'How long the oldest waiting publish job or dataset has waited',
      labels: ['kind'],
    },
    async () =>
      (await backlog())
        .filter(({ status }) => status === 'QUEUED')
        .map(({ kind, oldestAtMs }) => [
          [kind],
          oldestAtMs === null ? 0 : Math.max(0, (Date.now() - oldestAtMs) / 1000),
        ]),
  )
  return registry
}
