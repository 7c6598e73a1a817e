// Random facts of a table, views in time over them, and what is served of them held against the rules and against training sets.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { formatMicros, infiniteMicros, microsPerDay, parseMicros } from '../../src/values/calendar.ts'
import type { Dice } from '../fuzz/promise/dice.ts'
import type { createClient } from '../http/client.ts'
import type { Asked, Happened, History } from '../training/histories.ts'
import { featuresAsOf } from '../training/plain-reference.ts'

export type Client = Pick<ReturnType<typeof createClient>, 'data'>

export interface TimedView {
  name: string
  indexKeys: readonly string[]
  ttlSeconds: number | null
  etl: boolean
  /** Whether a fact's time is the day that it falls on. */
  isByDay?: boolean
  /** More of createFeatureView's arguments, as GraphQL writes them. */
  more?: string
}

interface Part {
  view: string
  status: string
  asOf: string | null
  eventTime: string | null
  error: { message: string } | null
}
export interface Vector {
  features: Record<string, unknown>
  views: Part[]
  error: { message: string } | null
}
export interface Served {
  asked: Asked
  vector: Vector
}

const factColumns = 'key, other, time, made, value, name'
const others = ['x', '1', '23'] as const

const stringOfBig = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
const told = (...facts: readonly unknown[]) => JSON.stringify(facts, stringOfBig)
const text = (micros: bigint | null) => (micros === null ? null : formatMicros(micros))
const momentOf = (iso: string | null) => parseMicros(iso ?? '')

const isInfinite = (micros: bigint) => micros === infiniteMicros || micros === -infiniteMicros

function dayOf(time: bigint | null): bigint | null {
  if (time === null || isInfinite(time)) return time
  return time - (((time % microsPerDay) + microsPerDay) % microsPerDay)
}

/** As a row of JSON. */
export function writtenFact(row: Happened) {
  return { ...row, time: text(row.time), made: text(row.made) }
}

/** That an ETL's columns have nulls is seen from the first row on. */
export const firstFact: Happened = { key: 0, other: null, time: null, made: null, value: null, name: null }

/** `table` is qualified; times of facts lie up to `spreadMs` on either side of now, and far away. */
export function createTimedFacts(options: {
  table: string
  views: readonly TimedView[]
  dice: Dice
  keys: number
  spreadMs: number
  /** Whether the warehouse has times that are infinite. */
  hasInfinity?: boolean
}) {
  const { table, views, dice, keys, spreadMs, hasInfinity = false } = options
  const { below, pick } = dice
  const references = views.map(({ name }) => ({
    view: name,
    prefix: `${name}_`,
    features: ['value', 'name'],
  }))

  /** Around now, on either side, some at the same microsecond; some long ago, some far ahead. */
  function happen(): Happened {
    const now = BigInt(Date.now()) * 1000n
    const edge = pick([0n, 1n, -1n, 999n])
    const times = [
      now - BigInt(below(spreadMs)) * 1000n + edge,
      now + BigInt(below(spreadMs)) * 1000n + edge,
      (now / 1_000_000n) * 1_000_000n + BigInt(below(4)) * 1_000_000n,
      BigInt(Date.UTC(1969, 11, 31)) * 1000n + BigInt(below(3)),
      BigInt(Date.UTC(9999, 11, 30)) * 1000n + BigInt(below(3)),
      hasInfinity ? pick([infiniteMicros, -infiniteMicros]) : null,
      null,
    ]
    const time = pick(
      [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 5, 6].map((i) => times[i] ?? null),
    )
    return {
      key: below(20) === 0 ? null : below(keys),
      other: below(8) === 0 ? null : pick(others),
      time,
      made: pick([null, now, now - 1_000_000n, now - 2_000_000n, times[5] ?? null]),
      value: below(5) === 0 ? null : below(100),
      name: below(5) === 0 ? null : pick(['a', 'B', '~', '\u{1f600}', '\uffee', '']),
    }
  }

  function askAnyone(): Asked {
    return { key: below(keys + 1), other: pick(others), time: null, label: '' }
  }

  async function save({ data }: Client, queryName: string, query: string): Promise<string> {
    const { queryTrain } = await data<{ queryTrain: { query: { id: string } } }>(
      'mutation ($query: String!, $queryName: String!) { queryTrain(query: $query, queryName: $queryName) { query { id } } }',
      { query, queryName },
    )
    return queryTrain.query.id
  }

  /** An ETL that gives what it gets, from a folder that the gateway loads ETLs from. */
  async function makeEtl({ data }: Client, queryId: string, folder: string): Promise<string> {
    const path = join(folder, 'same.ts')
    await writeFile(
      path,
      `export const columns = { key: 'INT64', time: 'TIMESTAMP', made: 'TIMESTAMP', value: 'INT64' }
export function transform(row) { return { ...row } }`,
    )
    const { extractTrain } = await data<{ extractTrain: { etl: { id: string } } }>(
      'mutation ($queryId: ID!, $etlPath: String!) { extractTrain(queryId: $queryId, etlPath: $etlPath) { etl { id } } }',
      { queryId, etlPath: `file:${path}` },
    )
    return extractTrain.etl.id
  }

  /** The table holds a fact by then; a target has one view, so that each has a query of its own. */
  async function makeViews(client: Client, folder: string) {
    for (const { name, indexKeys, ttlSeconds, etl, isByDay = false, more = '' } of views) {
      const columns = isByDay ? factColumns.replace('time', 'CAST(time AS DATE) AS time') : factColumns
      const queryId = await save(client, name, `SELECT ${columns} FROM ${table} -- ${name}`)
      const etlId = etl ? await makeEtl(client, queryId, folder) : null
      await client.data(
        `mutation ($name: String!, $queryId: ID!, $etlId: ID, $indexKeys: [String!], $eventTtlSeconds: Int) { createFeatureView(
          name: $name, queryId: $queryId, etlId: $etlId, indexKeys: $indexKeys, timestampColumn: "time", createdColumn: "made", eventTtlSeconds: $eventTtlSeconds ${more}) { id } }`,
        { name, queryId, etlId, indexKeys, eventTtlSeconds: ttlSeconds },
      )
    }
  }

  async function online(
    { data }: Client,
    asked: readonly Asked[],
    asOf: bigint | null = null,
  ): Promise<Vector[]> {
    const { onlineFeatures } = await data<{ onlineFeatures: Vector[] }>(
      `query ($features: [FeatureRefInput!], $entities: [JSON!]!, $asOf: DateTime) { onlineFeatures(features: $features, entities: $entities, asOf: $asOf) {
        features views { view status asOf eventTime error { message } } error { message } } }`,
      {
        features: references,
        entities: asked.map(({ key, other }) => ({ key, other })),
        asOf: text(asOf),
      },
    )
    return onlineFeatures
  }

  async function serve(client: Client, count = 5): Promise<Served[]> {
    const asked = Array.from({ length: count }, askAnyone)
    const vectors = await online(client, asked)
    return asked.map((each, i) => ({ asked: each, vector: vectors[i] as Vector }))
  }

  async function train({ data }: Client, spine: readonly Asked[]): Promise<Record<string, unknown>[]> {
    const { createTrainingSet } = await data<{
      createTrainingSet: { dataset: { status: string; error: string | null; downloads: { ndjson: string } } }
    }>(
      `mutation ($rows: JSON!, $features: [FeatureRefInput!]) { createTrainingSet(spine: { rows: $rows }, features: $features, timestampColumn: "at", waitMs: 300000) {
        dataset { status error downloads { ndjson } } } }`,
      {
        rows: spine.map(({ key, other, time }, nr) => ({ nr, key, other, at: text(time) })),
        features: references,
      },
    )
    const { status, error, downloads } = createTrainingSet.dataset
    expect({ status, error }).toEqual({ status: 'SUCCEEDED', error: null })
    const answer = await fetch(downloads.ndjson)
    return (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** By the rules alone; `time` is null where there is nothing, and `eventTime` for a time before all others too. */
  function expected(rows: readonly Happened[], { indexKeys, ttlSeconds, isByDay }: TimedView, asked: Asked) {
    const history: History = {
      rows: isByDay ? rows.map((row) => ({ ...row, time: dayOf(row.time) })) : rows,
      spine: [],
      isComposite: indexKeys.length === 2,
      hasCreated: true,
      ttlSeconds,
      knownAsOf: false,
    }
    const found = featuresAsOf(history, asked, ttlSeconds)
    const time = found?.time ?? null
    const eventTime = time === -infiniteMicros ? null : time
    return { rule: { value: found?.value ?? null, name: found?.name ?? null }, time, eventTime }
  }

  function chosen(features: Record<string, unknown>, { name }: TimedView) {
    return { value: features[`${name}_value`], name: features[`${name}_name`] }
  }

  /** What was served of each view, at the moment that it tells. */
  function partsOf(served: readonly Served[]) {
    return served.flatMap(({ asked, vector }) =>
      views.map((view, i) => {
        const part = vector.views[i]
        expect(vector.error ?? part?.error ?? null, told(asked, vector)).toBeNull()
        return { view, part, vector, asked: { ...asked, time: momentOf(part?.asOf ?? null) } }
      }),
    )
  }

  type ServedPart = ReturnType<typeof partsOf>[number]

  /** Whether the rows, and no others, may have been served so. */
  function isServed(rows: readonly Happened[], { view, part, vector, asked }: ServedPart): boolean {
    const { rule, time, eventTime } = expected(rows, view, asked)
    const own = chosen(vector.features, view)
    if (own.value !== rule.value || own.name !== rule.name) return false
    if (time === null) return part?.status === 'NOT_FOUND' || part?.status === 'EXPIRED'
    return part?.status === 'FRESH' && momentOf(part.eventTime) === eventTime
  }

  return {
    happen,
    askAnyone,
    makeViews,
    online,
    serve,
    partsOf,
    isServed,
    describe: (part: ServedPart) =>
      told(part.view.name, part.asked, part.part, chosen(part.vector.features, part.view)),

    /** Answers while the table held the rows, at their own moments: by the rules, and as a training set has them now. */
    async compareServed(
      client: Client,
      rows: readonly Happened[],
      served: readonly Served[],
    ): Promise<number> {
      const parts = partsOf(served)
      const trained = await train(
        client,
        parts.map(({ asked }) => asked),
      )
      for (const [i, { view, part, vector, asked }] of parts.entries()) {
        const { rule, time, eventTime } = expected(rows, view, asked)
        const what = told(view.name, asked, part)
        expect(chosen(vector.features, view), what).toEqual(rule)
        expect(chosen(trained[i] ?? {}, view), what).toEqual(rule)
        if (part?.status !== 'EXPIRED') expect(momentOf(part?.eventTime ?? null), what).toBe(eventTime)
        expect(part?.status, what).toMatch(time === null ? /^(NOT_FOUND|EXPIRED)$/ : /^FRESH$/)
      }
      return 2 * parts.length
    },

    /** Of moments about any of the rows' times, from history alone. */
    async comparePast(client: Client, rows: readonly Happened[], moments = 5): Promise<number> {
      let compared = 0
      for (let i = 0; i < moments; i++) {
        const times = rows.flatMap(({ time }) => (time === null || isInfinite(time) ? [] : time))
        const time = pick(times) + pick([0n, 1n, -1n, 2_000_000n])
        const asked = Array.from({ length: 10 }, () => ({ ...askAnyone(), time }))
        for (const [k, { features }] of (await online(client, asked, time)).entries())
          for (const view of views) {
            const { rule } = expected(rows, view, asked[k] as Asked)
            expect(chosen(features, view), told(view.name, asked[k])).toEqual(rule)
            compared++
          }
      }
      return compared
    },
  }
}
