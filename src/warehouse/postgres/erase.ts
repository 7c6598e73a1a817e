// Rows of PostgreSQL that go: what cascades and triggers do besides is found out by the locks that the transaction holds.

import { quoteName } from '../../sql/sql-text.ts'
import type { KeyValues } from '../../values/entity-key.ts'
import { findErasedTable } from '../erased-table.ts'
import { writeKeyValue } from '../key-columns.ts'
import { appendOnce } from '../ledger.ts'
import type { EraseRequest, EraseResult, TableChange } from '../port.ts'
import { schemasOf } from '../rows-table.ts'
import { createKeyReader, mergeChanges } from '../stored-keys.ts'
import { transactionOf } from './append.ts'
import type { TextRow } from './messages.ts'
import { type ListedTable, listTables } from './schema.ts'
import type { Session } from './session.ts'
import { qualifiedName } from './text.ts'
import { readCounts, readWays, readWritten, type Way } from './written.ts'

export async function erase(session: Session, request: EraseRequest): Promise<EraseResult> {
  const known = await listTables(session, schemasOf([request]))
  const { table, places, wanted } = findErasedTable(known, request)
  const way = (await readWays(session, [table.oid])).get(table.oid)
  const { selected, keysOf } = createKeyReader(wanted, table)
  const { condition, texts } = conditionOf(table, places, request.values)
  let rows = 0
  const result = await appendOnce(transactionOf(session), request, {
    async write() {
      const family = [table.oid, ...(way?.family ?? [])]
      const before = await readCounts(session, family)
      const gone = await session.query(
        `DELETE FROM ${qualifiedName(table.schema, table.name)} WHERE ${condition} RETURNING ${['1', ...selected].join(', ')}`,
        texts,
      )
      rows = gone.length
      const isAll = await wentAlone(session, { family, before, rows })
      const keys = isAll ? keysOf(gone.map(([, ...cells]: TextRow) => cells)) : null
      return mergeChanges([...changesOf(table, way, keys), ...(await changedElsewhere(session, family))])
    },
    changesOfBefore: async () => changesOf(table, way, null),
  })
  return { ...result, rows }
}

/**
 * In the columns' own types without their lengths, which a cast would cut values to. Texts are the same when their
 * characters are, whatever the column's collation.
 */
function conditionOf(table: ListedTable, places: readonly number[], values: KeyValues) {
  const texts: string[] = []
  const compared = places.map((place, i) => {
    const [column, carrier] = [table.columns[place], table.carriers[place]]
    const value = values[i]
    if (column === undefined || carrier === undefined || value === undefined)
      throw new Error(`The table ${table.name} has no column ${place}`)
    texts.push(writeKeyValue(column.name, () => carrier.encode(value)))
    const type = (table.ownTypes[place] ?? '').replace(/\([\d, ]+\)/, '')
    const isText = /^(text|character varying|varchar|character|char|bpchar|"char"|name|bit)$/.test(type)
    return isText
      ? `${quoteName(column.name)}::text COLLATE "C" = $${i + 1}::text`
      : `${quoteName(column.name)} = $${i + 1}::${type}`
  })
  return { condition: compared.join(' AND '), texts }
}

/** The table's own, and the same of its parts and wholes. */
function changesOf(table: ListedTable, way: Way | undefined, keys: TableChange['keys']): TableChange[] {
  const names = [`${table.schema}.${table.name}`, ...(way?.parts ?? []), ...(way?.wholes ?? [])]
  return names.map((name) => ({ table: name, keys }))
}

/** Whether nothing befell the table and its parts but that these rows went. */
async function wentAlone(
  session: Session,
  {
    family,
    before,
    rows,
  }: { family: readonly number[]; before: Awaited<ReturnType<typeof readCounts>>; rows: number },
): Promise<boolean> {
  await session.script('SET CONSTRAINTS ALL IMMEDIATE')
  const after = await readCounts(session, family)
  if (before === null || after === null) return false
  let changed = 0
  for (const oid of new Set(family)) {
    const [first, last] = [before.get(oid), after.get(oid)]
    if (first === undefined || last === undefined || first.inserted !== last.inserted) return false
    changed += last.changed - first.changed
  }
  return changed === rows
}

async function changedElsewhere(session: Session, family: readonly number[]): Promise<TableChange[]> {
  const others = (await readWritten(session)).filter(({ oid }) => !family.includes(oid))
  const ways = await readWays(
    session,
    others.map(({ oid }) => oid),
  )
  return others
    .flatMap(({ oid, table }) => [table, ...(ways.get(oid)?.wholes ?? []), ...(ways.get(oid)?.parts ?? [])])
    .map((table) => ({ table, keys: null }))
}
