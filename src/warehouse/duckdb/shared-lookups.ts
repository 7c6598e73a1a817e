// Looks keys up for many statements at once: each table is read once, for a copy of the keys' own rows, over which all of them run.

import type { DuckDBConnection } from '@duckdb/node-api'
import type { Database } from '../../duckdb/database.ts'
import { readWhole } from '../../duckdb/decode.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { LookupLimits } from '../lookup-limits.ts'
import { selectWhere } from '../planned-statement.ts'
import {
  type BaseTable,
  internalSchema,
  type LookupManyRequest,
  type LookupResult,
  type Warehouse,
} from '../port.ts'
import { amongKeys, withinLimits } from './lookup.ts'
import type { DuckdbStatement, PlanRequest } from './plans.ts'
import type { TableList } from './schema.ts'
import { timelineTerms } from './timeline.ts'

/** What the names of the databases in memory begin with that the copies stand in. */
export const copiesName = 'gateway_copies'

/** Of more rows a copy costs more than it saves. */
const maxCopied = 200_000
/** A statement that takes longer holds up the others. */
const statementMs = 500
/** A failure ends the transaction: the others begin another, so often. */
const maxTransactions = 3

interface Wanted {
  plan: DuckdbStatement
  /** Among the statements that were asked for. */
  place: number
}

export function createSharedLookups(options: {
  database: Pick<Database, 'use'>
  limits: LookupLimits
  tables: () => TableList
  plan: (request: PlanRequest) => Promise<DuckdbStatement>
}): NonNullable<Warehouse['lookupMany']> {
  const { database, limits, tables, plan } = options

  async function planAll({ key, statements, signal }: LookupManyRequest): Promise<Wanted[]> {
    const wanted: Wanted[] = []
    for (const [place, statement] of statements.entries()) {
      signal?.throwIfAborted()
      const made = await plan({ ...statement, signal }).catch(() => null)
      if (made !== null && readsKeysAlone(made, key, tables())) wanted.push({ plan: made, place })
    }
    const types = wanted.map((each) => String(ownTypesOf(each.plan, key)))
    return wanted.filter((_, i) => types[i] === types[0])
  }

  async function run(
    connection: DuckDBConnection,
    wanted: readonly Wanted[],
    request: LookupManyRequest,
    results: (LookupResult | null)[],
  ) {
    const { catalog } = tables()
    const versionOf = `SELECT version FROM ${nameOf(catalog, internalSchema, 'version')}`
    let next = 0
    for (let begun = 0; begun < maxTransactions && next < wanted.length; begun++) {
      request.signal?.throwIfAborted()
      await connection.run('BEGIN')
      try {
        const [row] = await (await connection.run(versionOf)).getRows()
        if (!(await copyRows(connection, { wanted, catalog }, request))) return
        for (const each of wanted.slice(next)) {
          next++
          const rows = await readCopies(connection, each, request)
          results[each.place] = { version: Number(row?.[0]), columns: each.plan.columns, rows }
        }
      } catch (error) {
        if (next === 0) throw error
        // Whoever looks that statement up by itself hears of it.
      } finally {
        // The copies go with it.
        await connection.run('ROLLBACK').catch(() => undefined)
      }
    }
  }

  async function readCopies(
    connection: DuckDBConnection,
    { plan, place }: Wanted,
    { key, statements }: LookupManyRequest,
  ) {
    const timeline = timelineTerms(plan, { key, timeline: statements[place]?.timeline })
    const { text } = selectWhere(plan, 'true', timeline)
    const late = setTimeout(() => connection.interrupt(), statementMs)
    try {
      const result = await connection.run(`${text} LIMIT ${limits.rows + 1}`)
      return withinLimits(readWhole(result, plan.carriers), limits)
    } finally {
      clearTimeout(late)
    }
  }

  return async (request) => {
    const results = new Array<LookupResult | null>(request.statements.length).fill(null)
    const wanted = request.values.length === 0 ? [] : await planAll(request)
    if (wanted.length > 1)
      await database.use('copies', request.signal, (connection) => run(connection, wanted, request, results))
    return results
  }
}

/** Of each table its rows that hold the keys; false where they are many. */
async function copyRows(
  connection: DuckDBConnection,
  { wanted, catalog }: { wanted: readonly Wanted[]; catalog: string },
  request: LookupManyRequest,
): Promise<boolean> {
  const [first] = wanted
  if (first === undefined) return false
  const { condition, bind } = amongKeys(first.plan, request)
  for (const { schema, name } of tablesOf(wanted)) {
    const [from, to] = [nameOf(catalog, schema, name), nameOf(schema, name)]
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`)
    await connection.run(`CREATE TABLE ${to} AS FROM ${from} LIMIT 0`)
    const select = `SELECT * FROM ${from} t WHERE ${condition} LIMIT ${maxCopied + 1}`
    const prepared = await connection.prepare(`INSERT INTO ${to} ${select}`)
    try {
      bind(prepared)
      if ((await prepared.run()).rowsChanged > maxCopied) return false
    } finally {
      prepared.destroySync()
    }
  }
  return true
}

function tablesOf(wanted: readonly Wanted[]): BaseTable[] {
  const all = wanted.flatMap(({ plan }) => plan.tables)
  return [...new Map(all.map((table) => [nameOf(table.schema, table.name), table])).values()]
}

/** Whether all that it reads are tables' rows of the key, by columns of the key's own types, and nothing that a copy has otherwise. */
function readsKeysAlone(plan: DuckdbStatement, key: readonly string[], tables: TableList): boolean {
  if (/\browid\b/i.test(plan.sql) || plan.tables.length === 0) return false
  const own = ownTypesOf(plan, key)
  return plan.tables.every(({ schema, name }) => {
    const table = tables.find(schema, name)
    if (table?.kind !== 'TABLE') return false
    const typeOf = (column: string) =>
      table.ownTypes[table.columns.findIndex((each) => each.name.toLowerCase() === column.toLowerCase())]
    return key.every((column, k) => typeOf(column) !== undefined && typeOf(column) === own[k])
  })
}

/** In the engine's words; texts with a collation of their own have none. */
function ownTypesOf({ columns, carriers }: DuckdbStatement, key: readonly string[]): (string | undefined)[] {
  return key.map((name) => {
    const at = columns.findIndex((column) => column.name === name)
    return columns[at]?.native?.includes('COLLATE') ? undefined : carriers[at]?.own.toString()
  })
}

function nameOf(...parts: readonly string[]): string {
  return parts.map(quoteName).join('.')
}
