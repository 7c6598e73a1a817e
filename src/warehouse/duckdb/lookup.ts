// Looks keys up in the embedded warehouse, and says where a scan of it begins: values are bound, never written.

import {
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBType,
  type DuckDBValue,
  LIST,
} from '@duckdb/node-api'
import { readRows } from '../../duckdb/decode.ts'
import type { Row } from '../../values/columns.ts'
import type { KeyValues } from '../../values/entity-key.ts'
import { comesAfter, keyPlaces, writeKeyValue } from '../key-columns.ts'
import { type LookupLimits, refuseLargeRows, refuseManyRows } from '../lookup-limits.ts'
import { selectWhere } from '../planned-statement.ts'
import type { LookupRequest } from '../port.ts'
import { type KeyTerms, keyTerms } from './keys.ts'
import type { DuckdbStatement } from './plans.ts'
import { timelineTerms } from './timeline.ts'

/** Up to so many values are compared one by one, which the engine carries below a GROUP BY, as it does no list of them. */
const maxParameters = 10_000
/** Of more keys of several columns a list says which values belong together: comparisons are made with every row of a table. */
const maxCompared = 16

/** A column of the key, with the values that are bound for it. */
interface KeyColumn extends KeyTerms {
  type: DuckDBType
  items: readonly DuckDBValue[]
}

export async function lookup(
  connection: DuckDBConnection,
  plan: DuckdbStatement,
  request: Pick<LookupRequest, 'key' | 'values' | 'timeline'>,
  limits: LookupLimits,
): Promise<Row[]> {
  const { condition, bind } = amongKeys(plan, request)
  if (request.values.length === 0) return []
  const prepared = await connection.prepare(
    `${selectWhere(plan, condition, timelineTerms(plan, request)).text} LIMIT ${limits.rows + 1}`,
  )
  try {
    bind(prepared)
    return withinLimits(await readRows(await prepared.run(), plan.carriers), limits)
  } finally {
    prepared.destroySync()
  }
}

/** Throws TOO_LARGE. */
export function withinLimits(rows: Row[], limits: LookupLimits): Row[] {
  refuseManyRows(rows.length, limits)
  refuseLargeRows(rows, limits)
  return rows
}

/** That the key of a row of `t` is among the values, which are bound. */
export function amongKeys(plan: DuckdbStatement, { key, values }: Pick<LookupRequest, 'key' | 'values'>) {
  const columns = bindKeys(plan, key, values)
  const parameters = createParameters()
  const written = columns.map((column) => writeEach(column, parameters))
  const conditions = columns.flatMap(({ column }, c) => {
    const own = written[c]
    return own === undefined ? [] : [`${column} IN (${[...own.values()].join(', ')})`]
  })
  const isTold = columns.length === 1 || values.length === 1
  if (conditions.length < columns.length || (!isTold && values.length > maxCompared))
    conditions.push(amongLists(columns, parameters))
  else if (!isTold) conditions.push(amongPairs(columns, written, values.length))
  return { condition: conditions.join(' AND '), bind: parameters.bind }
}

/** What a statement's parameters stand for, in their order. */
function createParameters() {
  const binders: ((prepared: DuckDBPreparedStatement, place: number) => void)[] = []
  return {
    /** What it is called in the statement. */
    add: (binder: (prepared: DuckDBPreparedStatement, place: number) => void) => `$${binders.push(binder)}`,
    bind(prepared: DuckDBPreparedStatement) {
      for (const [i, bindOne] of binders.entries()) bindOne(prepared, i + 1)
    },
  }
}

type Parameters = ReturnType<typeof createParameters>
type Written = ReadonlyMap<DuckDBValue, string>

/** Each value of the column once, which an index or a file's statistics serve; undefined where they are too many. */
function writeEach({ items, type, value }: KeyColumn, parameters: Parameters): Written | undefined {
  const distinct = new Set(items)
  if (distinct.size > maxParameters) return
  const write = (item: DuckDBValue) =>
    value(parameters.add((prepared, place) => prepared.bindValue(place, item, type)))
  return new Map([...distinct].map((item) => [item, write(item)]))
}

/** The values that belong together, one key after the other. */
function amongPairs(
  columns: readonly KeyColumn[],
  written: readonly (Written | undefined)[],
  count: number,
): string {
  const equal = (k: number) =>
    columns.map(({ column, items }, c) => `${column} = ${written[c]?.get(items[k] ?? null) ?? 'NULL'}`)
  return `(${Array.from({ length: count }, (_, k) => `(${equal(k).join(' AND ')})`).join(' OR ')})`
}

function amongLists(columns: readonly KeyColumn[], parameters: Parameters): string {
  const read = columns.map(({ value }, c) => value(`v${c}`))
  const unnested = columns.map(({ items, type }, c) => {
    const list = parameters.add((prepared, place) => prepared.bindList(place, items, LIST(type)))
    return `unnest(${list}) AS v${c}`
  })
  return `(${columns.map(({ column }) => column).join(', ')}) IN (SELECT ${read.join(', ')} FROM (SELECT ${unnested.join(', ')}))`
}

export interface ScanOrder {
  /** The rows that have a key, or of them those that come after one. */
  among: string
  by: string
  bounds: DuckDBValue[]
  types: DuckDBType[]
}

export function scanOrder(
  plan: DuckdbStatement,
  key: readonly string[],
  after: KeyValues | undefined,
): ScanOrder {
  const columns = bindKeys(plan, key, after === undefined ? [] : [after])
  const present = columns.map(({ column }) => `${column} IS NOT NULL`)
  const by = columns.map(({ ordered }) => ordered).join(', ')
  if (after === undefined) return { among: present.join(' AND '), by, bounds: [], types: [] }
  const behind = comesAfter(
    columns.map(({ ordered, value }, c) => {
      const bound = value(`$${c + 1}`)
      return { isEqual: `${ordered} = ${bound}`, isBehind: `${ordered} > ${bound}` }
    }),
  )
  return {
    among: [...(columns.length === 1 ? [] : present), behind].join(' AND '),
    by,
    bounds: columns.flatMap(({ items }) => items),
    types: columns.map(({ type }) => type),
  }
}

function bindKeys(plan: DuckdbStatement, key: readonly string[], values: readonly KeyValues[]): KeyColumn[] {
  return keyPlaces(key, plan.columns).map((place, c) => {
    const [column, carrier] = [plan.columns[place], plan.carriers[place]]
    if (column === undefined || carrier === undefined) throw new Error(`Column ${key[c]} has no type`)
    const items = values.map((one) => {
      const value = one[c]
      return value === undefined ? null : writeKeyValue(column.name, () => carrier.write(value))
    })
    return { ...keyTerms(column, carrier.own), type: carrier.stored, items }
  })
}
