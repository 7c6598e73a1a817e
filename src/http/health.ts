// /healthz: the process serves. /readyz: all that it stands on answers too, and it is not about to stop.

import { z } from 'zod'
import type { RestServer } from './openapi.ts'

/** A dependency that has not answered by then counts as down. */
const pingWithinMs = 2_000

export interface Probe {
  /** Resolves when the dependency answers. */
  ping(): Promise<void>
}

const states = z.enum(['up', 'down'])
const health = z.object({
  status: z.enum(['ok', 'unavailable', 'stopping']),
  dependencies: z.record(z.string(), states),
})

export interface HealthOptions {
  probes: Readonly<Record<string, Probe>>
  isStopping(): boolean
}

export function addHealth(app: RestServer, { probes, isStopping }: HealthOptions) {
  async function check(): Promise<z.infer<typeof health>> {
    const states = await Promise.all(
      Object.entries(probes).map(
        async ([name, probe]) => [name, (await answers(probe)) ? 'up' : 'down'] as const,
      ),
    )
    const allUp = states.every(([, state]) => state === 'up')
    return {
      status: isStopping() ? 'stopping' : allUp ? 'ok' : 'unavailable',
      dependencies: Object.fromEntries(states),
    }
  }

  app.get(
    '/healthz',
    {
      schema: { tags: ['health'], summary: 'Whether the gateway answers at all', response: { 200: health } },
    },
    () => check(),
  )
  app.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        summary: 'Whether requests should be sent to this gateway',
        response: { 200: health, 503: health },
      },
    },
    async (_request, reply) => {
      const found = await check()
      return reply.status(found.status === 'ok' ? 200 : 503).send(found)
    },
  )
}

async function answers(probe: Probe): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), pingWithinMs)
  try {
    return await Promise.race([probe.ping().then(() => true), late.promise])
  } catch {
    return false
  } finally {
    clearTimeout(timer)
  }
}
