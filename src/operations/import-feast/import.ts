// A registry of Feast's, made here thing by thing: what was taken, and why the rest was not.

import { type Gateway, Refused } from './gateway.ts'
import type { Registry } from './registry.ts'
import { importService } from './services.ts'
import { LeftOut } from './sources.ts'
import { createViewImport } from './views.ts'

export interface Outcome {
  /** Its kind and name. */
  what: string
  /** Why it was left out, or in part; empty where all was taken. */
  reasons: readonly string[]
  isTaken: boolean
}

/** One after another, each told when it is done. */
export async function* importRegistry(registry: Registry, gateway: Gateway): AsyncGenerator<Outcome> {
  const importView = createViewImport(registry, gateway)
  const taken = new Set<string>()
  for (const { spec } of registry.featureViews) {
    const outcome = await attempt(`view ${spec.name}`, async () => {
      await importView(spec)
      return []
    })
    if (outcome.isTaken) taken.add(spec.name)
    yield outcome
  }
  for (const { spec } of registry.featureServices)
    yield await attempt(`service ${spec.name}`, () => importService(spec, taken, gateway))
  yield* strangers(registry)
}

async function attempt(what: string, work: () => Promise<readonly string[]>): Promise<Outcome> {
  try {
    return { what, reasons: await work(), isTaken: true }
  } catch (error) {
    if (!(error instanceof LeftOut || error instanceof Refused)) throw error
    return { what, reasons: [error.message], isTaken: false }
  }
}

/** What has no counterpart that could be made by itself. */
function strangers({ onDemandFeatureViews, streamFeatureViews, dataSources }: Registry): Outcome[] {
  const refuse = (what: string, reason: string) => ({ what, reasons: [reason], isTaken: false })
  return [
    ...onDemandFeatureViews.map(({ spec }) =>
      refuse(
        `on-demand view ${spec.name}`,
        'write it as an ETL on top of a feature service, its request source as request columns',
      ),
    ),
    ...streamFeatureViews.map(({ spec }) =>
      refuse(
        `stream view ${spec.name}`,
        'write its rows to a table that takes rows, and make a view of that',
      ),
    ),
    ...dataSources
      .filter(({ type }) => /^(PUSH_SOURCE|STREAM_)/.test(type))
      .map(({ name, type }) =>
        refuse(
          `${type === 'PUSH_SOURCE' ? 'push' : 'stream'} source ${name}`,
          'rows go to a table that takes them (createTable); a view here does not see what is pushed elsewhere',
        ),
      ),
  ]
}
