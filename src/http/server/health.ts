// /healthz: the process serves. /readyz: all that it stands on answers too, and it is not about to stop.

import { z } from 'zod'
import { within } from '../../concurrency/within.ts'
import { answer } from '../rest/bodies.ts'
import type { RestServer } from '../rest/openapi.ts'

/** A dependency that has not answered by then counts as down. */
const pingWithinMs = 2_000

export interface Probe {
  /** Resolves when the dependency answers. */
  ping(): Promise<void>
}

const states = z.enum(['up', 'down'])
const alive = z
  .object({ status: z.enum(['ok', 'stopping']), uptimeSeconds: z.number() })
  .meta({ id: 'Health' })
const ready = z
  .object({
    status: z.enum(['ok', 'unavailable', 'stopping']),
    dependencies: z.record(z.string(), states),
    latencyMs: z.record(z.string(), z.number()).describe('How long each took to answer, or was waited for'),
  })
  .meta({ id: 'Readiness' })

export interface Checked {
  name: string
  state: z.infer<typeof states>
  latencyMs: number
}

export interface Probes {
  /** Every dependency at once; takes no longer than two seconds, whatever hangs. */
  check(): Promise<readonly Checked[]>
}

/** A probe that still hangs is not sent another: what hangs gets no heap of pings. */
export function createProbes(options: Readonly<Record<string, Probe>>): Probes {
  const probes = Object.entries(options).map(([name, probe]) => ({ name, ping: createPing(probe) }))
  return {
    check: () =>
      Promise.all(
        probes.map(async ({ name, ping }) => {
          const startedMs = performance.now()
          const state = (await ping()) ? ('up' as const) : ('down' as const)
          return { name, state, latencyMs: Math.round((performance.now() - startedMs) * 10) / 10 }
        }),
      ),
  }
}

function createPing(probe: Probe): () => Promise<boolean> {
  let underWay: Promise<boolean> | undefined
  return async () => {
    underWay ??= probe
      .ping()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        underWay = undefined
      })
    return within(pingWithinMs, underWay, () => false)
  }
}

export interface HealthOptions {
  probes: Probes
  isStopping(): boolean
}

export function addHealth(app: RestServer, { probes, isStopping }: HealthOptions) {
  app.get(
    '/healthz',
    {
      config: { access: 'open' },
      schema: {
        tags: ['health'],
        operationId: 'healthz',
        summary: 'Whether the process answers at all; it asks nothing of what it stands on',
        response: { 200: answer('The process answers', alive) },
      },
    },
    () => ({
      status: isStopping() ? ('stopping' as const) : ('ok' as const),
      uptimeSeconds: Math.floor(process.uptime()),
    }),
  )
  app.get(
    '/readyz',
    {
      config: { access: 'open' },
      schema: {
        tags: ['health'],
        operationId: 'readyz',
        summary: 'Whether requests should be sent to this gateway, and how it stands with each dependency',
        response: {
          200: answer('Requests may be sent here', ready),
          503: answer('A dependency does not answer, or the gateway stops', ready),
        },
      },
    },
    async (_request, reply) => {
      const found = await probes.check()
      const allUp = found.every(({ state }) => state === 'up')
      const status = isStopping() ? 'stopping' : allUp ? 'ok' : 'unavailable'
      return reply.status(status === 'ok' ? 200 : 503).send({
        status,
        dependencies: Object.fromEntries(found.map(({ name, state }) => [name, state])),
        latencyMs: Object.fromEntries(found.map(({ name, latencyMs }) => [name, latencyMs])),
      })
    },
  )
}
