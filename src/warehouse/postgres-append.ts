// Appends to PostgreSQL: rows, ledger and version in one transaction. The version's row makes commits follow one another.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { ValueMismatch } from '../parquet/duckdb-types.ts'
import { quoteName } from '../parquet/sql-text.ts'
import type { AppendRequest, AppendResult, TableRows } from './port.ts'
import { featureSchema, internalSchema, type ListedTable, listTables } from './postgres-schema.ts'
import type { Session } from './postgres-session.ts'
import { qualifiedName } from './postgres-text.ts'

/** Rows are sent in texts of about so many characters. */
const chunkLength = 256 * 1024

export async function append(
  session: Session,
  { jobId, batch, tables }: AppendRequest,
): Promise<AppendResult> {
  const known = await listTables(session, featureSchema)
  const targets: Target[] = []
  for (const rows of tables) targets.push(await createTarget(rows, known))
  await session.script('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
  try {
    // Waits for one of the same name that is under way.
    const [entry] = await session.query(
      `INSERT INTO ${internalSchema}.ledger (job_id, batch) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`,
      [jobId, String(batch)],
    )
    if (entry === undefined) {
      const version = await readVersion(session)
      await session.script('ROLLBACK')
      return { applied: false, version }
    }
    for (const { copy, texts } of targets) {
      if (texts.length > 0) await pipeline(Readable.from(texts), session.copyFrom(copy))
    }
    // Held until the commit: whoever sees this version sees all that was committed before it.
    const [row] = await session.query(
      `UPDATE ${internalSchema}.version SET version = version + 1 RETURNING version`,
    )
    await session.script('COMMIT')
    return { applied: true, version: Number(row?.[0]) }
  } catch (error) {
    await session.script('ROLLBACK').catch(() => undefined)
    throw error
  }
}

export async function readVersion(session: Session): Promise<number> {
  const [row] = await session.query(`SELECT version FROM ${internalSchema}.version`)
  return Number(row?.[0])
}

interface Target {
  copy: string
  texts: readonly string[]
}

/** Throws before anything is sent. */
async function createTarget(request: TableRows, known: readonly ListedTable[]): Promise<Target> {
  const { table, columns } = request
  const found = known.find(({ name }) => name === table)
  if (found === undefined) {
    throw badInput(
      `There is no table "${table}" to append to; there is ${known.map(({ name }) => name).join(', ')}.`,
    )
  }
  const carriers = columns.map((column) => {
    const carrier = found.carriers[found.columns.findIndex(({ name }) => name === column)]
    if (carrier !== undefined) return carrier
    const names = found.columns.map(({ name }) => name).join(', ')
    throw badInput(`Table ${table} has no column "${column}"; it has ${names}.`)
  })
  const copy = `COPY ${qualifiedName(found.schema, found.name)} (${columns.map(quoteName).join(', ')}) FROM STDIN`
  const texts: string[] = []
  for (const text of encodeRows(request, carriers)) {
    texts.push(text)
    await setImmediate()
  }
  return { copy, texts }
}

/** In the server's text format. */
function* encodeRows(
  { table, columns, rows }: TableRows,
  carriers: ListedTable['carriers'],
): Generator<string> {
  let text = ''
  for (let r = 0; r < rows.length; r++) {
    const row = rows[r] ?? []
    for (let c = 0; c < carriers.length; c++) {
      const value = row[c] ?? null
      if (c > 0) text += '\t'
      try {
        text += value === null ? '\\N' : escapeText(carriers[c]?.encode(value) ?? '')
      } catch (error) {
        if (!(error instanceof ValueMismatch)) throw error
        throw badInput(`Table ${table}, row ${r + 1}, column "${columns[c]}": ${error.message}.`)
      }
    }
    text += '\n'
    if (text.length >= chunkLength) {
      yield text
      text = ''
    }
  }
  if (text !== '') yield text
}

const special = /[\\\n\r\t]/
const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escapeText(text: string): string {
  return special.test(text)
    ? text.replace(/[\\\n\r\t]/g, (character) => escapes[character] ?? character)
    : text
}

function badInput(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
