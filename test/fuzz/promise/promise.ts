// The promise, attacked: statements made at random over tables of a user's own, and every key compared after every change.

import { join } from 'node:path'
import { AppError } from '../../../src/errors.ts'
import { createPromises } from '../../../src/features/promised.ts'
import { checkRows, findIngestTable, packRows, unpackRows } from '../../../src/publish/ingest.ts'
import { compareRows } from '../../../src/realtime/parity/row-comparison.ts'
import { overall } from '../../../src/sql/determinism.ts'
import { createRowEncoder } from '../../../src/values/columns.ts'
import { createKeyType } from '../../../src/values/entity-key.ts'
import { canonicalText, parseIndexValue } from '../../../src/values/key-values.ts'
import { type Stack, sortedRows } from '../../realtime/stack.ts'
import type { Dice } from './dice.ts'
import { createStatement } from './statements.ts'
import { createRows, type KeyKind, tableNames } from './tables.ts'

export interface PromiseReport {
  /** Statements that the engine took. */
  statements: number
  refused: number
  byKey: number
  determinism: Record<string, number>
  comparisons: number
  undetermined: number
  /** What was served otherwise than promised, with all that is needed to see it again. */
  findings: string[]
}

export function createReport(): PromiseReport {
  const none = { statements: 0, refused: 0, byKey: 0, comparisons: 0, undetermined: 0 }
  return { ...none, determinism: {}, findings: [] }
}

interface Asked {
  sql: string
  target: { queryId: string; etlPath: null; indexKey: string }
}

const rounds = 3
const deepest = 3

export async function attackPromise(
  stack: Stack,
  { kind, statements, dice, where }: { kind: KeyKind; statements: number; dice: Dice; where: string },
): Promise<PromiseReport> {
  const report = createReport()
  const tables = tableNames.map((name) => `SELECT user_id, s, x FROM feature_store.${name}`)
  const { ofKey: promisedBy } = createPromises(stack)
  const levels = new Map<string, string>()
  let jobs = 0

  async function publish() {
    for (const name of tableNames) {
      const table = findIngestTable(await stack.warehouse.tables(), name)
      const checked = await checkRows(table, createRows(kind, dice))
      const { parts } = await unpackRows(table, await packRows(checked))
      const keys = await stack.realtime.keysRead([name])
      const append = { jobId: `${where} ${jobs++}`, batch: 0, tables: parts, keys }
      await stack.realtime.onAppended(await stack.warehouse.append(append))
    }
  }

  async function ask(i: number): Promise<Asked | null> {
    const sql = createStatement(dice, tables, 1 + (i % deepest))
    const saved = await stack.save(sql, `${where} ${i}`).catch(refusedOrThrow)
    return saved && { sql, target: { queryId: saved.id, etlPath: null, indexKey: 'user_id' } }
  }

  /** Every key that training gives, and every spelling that a client may look up. */
  async function compare({ sql, target }: Asked, path: string) {
    const query = await stack.catalog.savedQueries.byId(target.queryId)
    const column = query.columns.find(({ name }) => name === target.indexKey)
    if (column === undefined) throw new Error('The key is gone')
    const spelled = [...kind.written, ...(kind.spelled ?? [])].flatMap((given) => {
      const text = String(given)
      try {
        return [{ text, key: canonicalText(column, parseIndexValue(column, text)) }]
      } catch {
        return []
      }
    })
    const exported = await stack.warehouse.exportParquet({ sql, path }).catch(refusedOrThrow)
    // Training fails of values that do not fit: then there is nothing to be held to.
    if (exported === null) return
    const { columns } = exported
    const { rows } = await stack.parquet.read(path, { columns })
    const encode = createRowEncoder(columns)
    const position = columns.findIndex(({ name }) => name === target.indexKey)
    const trained = new Map<string, string[]>()
    for (const row of rows) {
      const cell = row[position] ?? null
      if (cell === null) continue
      const key = canonicalText(column, cell)
      trained.set(key, [...(trained.get(key) ?? []), JSON.stringify(JSON.parse(encode(row)))])
    }
    const wanted = [...[...trained.keys()].map((key) => ({ text: key, key })), ...spelled]
    const served = await stack.lookUp(
      target,
      wanted.map(({ text }) => text),
    )
    const promised = await promisedBy({ query, etl: null, key: createKeyType([column]) })
    levels.set(sql, overall(promised).level)
    for (const [i, result] of served.entries()) {
      const key = wanted[i]?.key ?? ''
      const expected = trained.get(key) ?? []
      const comparison = compareRows(expected, sortedRows(result), promised)
      report.comparisons++
      if (comparison === 'UNDETERMINED') report.undetermined++
      if (comparison !== 'DIFFERENT' && comparison !== 'ROUNDED') continue
      report.findings.push(
        [
          `${where}, ${kind.type}: ${JSON.stringify(wanted[i]?.text)} from ${result.source} is ${comparison}`,
          sql,
          `training: ${expected.join(' ')}`,
          `serving: ${sortedRows(result).join(' ')}`,
        ].join('\n'),
      )
    }
  }

  await publish()
  const all: Asked[] = []
  for (let i = 0; i < statements; i++) {
    const asked = await ask(i)
    if (asked === null) report.refused++
    else all.push(asked)
  }
  report.statements = all.length
  for (let round = 0; round < rounds; round++) {
    for (const [i, asked] of all.entries())
      await compare(asked, join(stack.folder.path, 'datasets', `${where}-${round}-${i}.parquet`))
    await publish()
  }
  const views = await stack.catalog.featureViews.all()
  report.byKey = views.filter(({ refresh }) => refresh === 'BY_KEY').length
  for (const level of levels.values()) report.determinism[level] = (report.determinism[level] ?? 0) + 1
  return report
}

function refusedOrThrow(error: unknown): null {
  if (error instanceof AppError && error.code === 'INVALID_SQL') return null
  throw error
}
