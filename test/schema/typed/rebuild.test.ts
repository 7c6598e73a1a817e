// A thousand views of fifty features: how much of the thread a rebuild takes, and that lookups get their turns in between.

import { type ExecutionArgs, execute, getIntrospectionQuery, parse } from 'graphql'
import { expect, test } from 'vitest'
import type { View } from '../../../src/features/views.ts'
import { keepIntrospection } from '../../../src/http/graphql/introspection.ts'
import { createSchema } from '../../../src/schema/index.ts'
import type { Services } from '../../../src/schema/services.ts'
import { createEntryFinder } from '../../../src/schema/typed/entries.ts'
import { createLiveSchemas } from '../../../src/schema/typed/live-schema.ts'
import type { Column } from '../../../src/values/columns.ts'
import { createKeyType } from '../../../src/values/entity-key.ts'

const key: Column = { name: 'driver_id', type: 'INT64', storage: 'BIGINT', nullable: false }
const features = Array.from(
  { length: 50 },
  (_, i): Column => ({ name: `feature_${i}`, type: 'FLOAT64', storage: 'DOUBLE', nullable: true }),
)
const at: Column = { name: 'at', type: 'TIMESTAMP', storage: 'TIMESTAMP', nullable: false }
const columns = [key, at, ...features]

function viewOf(i: number, description: string | null) {
  const record = {
    name: `view_${i}`,
    graphqlName: `view${i}`,
    timestampColumn: 'at',
    createdColumn: null,
    description,
    owner: null,
    tags: [],
    featureNotes: [],
  }
  const view = { id: `fv_${i}`, record, query: {}, etl: null, key: createKeyType([key]) }
  return { view: view as unknown as View, columns }
}

const views = Array.from({ length: 1_000 }, (_, i) => viewOf(i, null))

const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Of this thread, in ms: what the work took, and the most of it between two turns of the event loop. */
async function measure<T>(work: () => T | Promise<T>) {
  let [last, worst, isOver] = [cpuMs(), 0, false]
  const turn = () => {
    const now = cpuMs()
    worst = Math.max(worst, now - last)
    last = now
    if (!isOver) setImmediate(turn)
  }
  await new Promise((resolve) => setImmediate(resolve))
  setImmediate(turn)
  const startedMs = cpuMs()
  last = startedMs
  const result = await work()
  const took = cpuMs() - startedMs
  await new Promise((resolve) => setImmediate(resolve))
  isOver = true
  return { result, took, worst }
}

function introspect(args: ExecutionArgs): Promise<unknown> {
  let run = async (_: ExecutionArgs): Promise<unknown> => undefined
  const hook = keepIntrospection().onExecute as unknown as (options: object) => void
  hook({
    args,
    executeFn: execute,
    setExecuteFn: (given: typeof run) => {
      run = given
    },
    setResultAndStopExecution: () => undefined,
  })
  return run(args)
}

test('a change of one view takes a fraction of what the first schema took, and introspection lets others in', async () => {
  const nobody = () => {
    throw new Error('nothing is looked up here')
  }
  const schemas = createLiveSchemas(createSchema({} as Services), {
    sources: { follow: nobody, followService: nobody, answersAt: nobody, vectors: { get: nobody } },
    federation: { maxRepresentations: 1, subgraphText: nobody },
  })
  const find = createEntryFinder()
  const build = async (described: typeof views) =>
    schemas.make(await find({ views: described, services: [] }, new Set()))
  const first = await measure(() => build(views))
  const rebuilt = await measure(() => build([viewOf(0, 'another'), ...views.slice(1)]))
  const args = { schema: rebuilt.result, document: parse(getIntrospectionQuery()) }
  const whole = await measure(() => execute(args))
  const sliced = await measure(() => introspect(args))
  console.info({
    first: [first.took, first.worst],
    rebuilt: [rebuilt.took, rebuilt.worst],
    whole: [whole.took, whole.worst],
    sliced: [sliced.took, sliced.worst],
  })
  expect(rebuilt.result.getType('View0')?.description).toContain('another')
  expect(rebuilt.took).toBeLessThan(first.took)
  expect(rebuilt.took).toBeLessThan(200)
  expect(sliced.worst).toBeLessThan(whole.worst / 2)
})
