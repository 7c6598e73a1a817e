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

/** Up to here a parameter for each value is the faster filter (twice as fast for 100), beyond it a list of them. */
const maxParameters = 256

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
  const asList = values.length > maxParameters
  return {
    condition: asList ? amongLists(columns) : amongParameters(columns, values.length),
    bind(prepared: DuckDBPreparedStatement) {
      if (asList)
        columns.forEach(({ items, type }, c) => {
          prepared.bindList(c + 1, items, LIST(type))
        })
      else
        for (const [c, { items, type }] of columns.entries())
          for (const [k, item] of items.entries())
            prepared.bindValue(parameterOf(columns.length, k, c), item, type)
    },
  }
}

function parameterOf(width: number, key: number, column: number): number {
  return key * width + column + 1
}

/** Each column among its values, which an index or a file's statistics serve; then the values that belong together. */
function amongParameters(columns: readonly KeyColumn[], count: number): string {
  const keys = Array.from({ length: count }, (_, k) => k)
  const written = (k: number, c: number) =>
    columns[c]?.value(`$${parameterOf(columns.length, k, c)}`) ?? 'NULL'
  const each = columns.map(({ column }, c) => `${column} IN (${keys.map((k) => written(k, c)).join(', ')})`)
  if (columns.length === 1 || count === 1) return each.join(' AND ')
  const together = keys.map(
    (k) => `(${columns.map(({ column }, c) => `${column} = ${written(k, c)}`).join(' AND ')})`,
  )
  return [...each, `(${together.join(' OR ')})`].join(' AND ')
}

function amongLists(columns: readonly KeyColumn[]): string {
  const read = columns.map(({ value }, c) => value(`v${c}`))
  const unnested = columns.map((_, c) => `unnest($${c + 1}) AS v${c}`)
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
