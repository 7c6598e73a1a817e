// What the triggers of docs/postgres-signs.sql tell of tables that others write: read, handed on, and taken away once it is done.

import { quoteName } from '../../sql/sql-text.ts'
import { internalSchema, type KeyColumns, type StoredKeys, type TableChange } from '../port.ts'
import { columnsOf, mergeChanges, readKeys, wantedKeys } from '../stored-keys.ts'
import { type ListedTable, listTables } from './schema.ts'
import type { Session } from './session.ts'
import type { SessionLease, Sessions } from './sessions.ts'

const place = `${internalSchema}.table_change`
const maxAtOnce = 1000
/** By it and a change's id a session says that it is at the change. */
const lockClass = 1_953_459_059

/** Takes changes on a connection of their own: when that ends, as it does with its process, others may take them at once. */
export function createSignTaker(sessions: Pick<Sessions, 'lease'>) {
  let held: SessionLease | null = null

  async function leave() {
    const lease = held
    held = null
    if (lease === null) return
    const unlocked = lease.run(() => lease.session.query('SELECT pg_advisory_unlock_all()'))
    await unlocked.catch(() => lease.session.destroy())
    await lease.release()
  }

  return {
    leave,
    /** Those that nobody else is at now, in place of what was taken before; none where the triggers are not installed. */
    async take(): Promise<TakenSign[]> {
      await leave()
      const lease = await sessions.lease('stream')
      held = lease
      const signs = await lease.run(() => takeSigns(lease.session))
      if (signs.length === 0) await leave()
      return signs
    },
  }
}

async function takeSigns(session: Session): Promise<TakenSign[]> {
  const [there] = await session.query(`SELECT to_regclass('${place}')::text`)
  if (there?.[0] == null) return []
  const rows = await session.query(
    `WITH waiting AS MATERIALIZED (SELECT * FROM ${place} ORDER BY id LIMIT ${maxAtOnce})
     SELECT id::text, table_schema, table_name, keys::text FROM waiting
     WHERE pg_try_advisory_lock(${lockClass}, (id % 2147483647)::int) ORDER BY id`,
  )
  return rows.map(([id, schema, name, keys]) => ({
    id: id ?? '',
    schema: schema ?? '',
    name: name ?? '',
    keys: keys ?? null,
  }))
}

export interface TakenSign {
  id: string
  schema: string
  name: string
  /** A JSON array of objects of key columns; null where any row may have changed. */
  keys: string | null
}

/** The changes, with the values of the keys that are wanted of each table as reading gives them. */
export async function changesOf(
  session: Session,
  signs: readonly TakenSign[],
  wanted: readonly KeyColumns[],
): Promise<TableChange[]> {
  const tables = await listTables(session, [...new Set(signs.map(({ schema }) => schema))])
  const changes: TableChange[] = []
  for (const sign of signs) {
    const name = `${sign.schema}.${sign.name}`
    const table = tables.find((each) => each.schema === sign.schema && each.name === sign.name)
    const keys =
      table === undefined || sign.keys === null ? null : await keysOf(session, table, sign.keys, wanted)
    changes.push({ table: name, keys })
  }
  return mergeChanges(changes)
}

/** Of keys that the trigger was not given all columns of nothing is told. */
async function keysOf(
  session: Session,
  table: ListedTable,
  given: string,
  wanted: readonly KeyColumns[],
): Promise<StoredKeys[]> {
  const [first = {}] = JSON.parse(given) as Record<string, unknown>[]
  const columns = table.columns.filter(({ name }) => name in first)
  const keys = wantedKeys(wanted, `${table.schema}.${table.name}`, columns)
  const read = columnsOf(keys).map((name) => {
    const carrier = table.carriers[table.columns.findIndex((column) => column.name === name)]
    if (carrier === undefined) throw new Error(`There is no column ${name}`)
    return { name, carrier }
  })
  if (read.length === 0) return []
  const selected = read.map(({ name, carrier }) => carrier.select(`r.${quoteName(name)}`)).join(', ')
  const type = `${quoteName(table.schema)}.${quoteName(table.name)}`
  const rows = await session.query(
    `SELECT ${selected} FROM pg_catalog.jsonb_populate_recordset(null::${type}, $1::jsonb) r`,
    [given],
  )
  const values = rows.map((row) =>
    row.map((cell, i) => (cell === null ? null : (read[i]?.carrier.read(cell) ?? null))),
  )
  return readKeys(keys, values)
}

export async function endSigns(session: Session, signs: readonly TakenSign[]): Promise<void> {
  const ids = `{${signs.map(({ id }) => id).join(',')}}`
  await writing(session, () => session.query(`DELETE FROM ${place} WHERE id = ANY($1::int8[])`, [ids]))
}

async function writing<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.script('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    const result = await work()
    await session.script('COMMIT')
    return result
  } catch (error) {
    await session.script('ROLLBACK').catch(() => undefined)
    throw error
  }
}
