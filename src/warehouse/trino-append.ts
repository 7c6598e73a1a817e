// Appends to Trino: the rows first, unseen, then the ledger's one row that shows them all.

import { AppError } from '../errors.ts'
import { writeCell } from '../parquet/append-rows.ts'
import { carrierOf, ValueMismatch } from '../parquet/duckdb-types.ts'
import { quoteName, quoteText } from '../parquet/sql-text.ts'
import { type AppendRequest, type AppendResult, featureSchema, type TableRows } from './port.ts'
import type { Ledger } from './trino-ledger.ts'
import { appendColumn, type ListedTable, listTables, type TrinoNames } from './trino-schema.ts'
import type { TrinoSession } from './trino-session.ts'
import { writeCellText } from './trino-types.ts'
import type { TrinoAddress } from './trino-url.ts'

/** A statement may have a million characters, as the server comes; a quote in a text counts twice. */
const mostCharacters = 450_000
const statementsAtOnce = 2

export interface AppendParts {
  session: TrinoSession
  address: TrinoAddress
  names: TrinoNames
  ledger: Ledger
}

export function append(
  { session, address, names, ledger }: AppendParts,
  { jobId, batch, tables }: AppendRequest,
): Promise<AppendResult> {
  const entry = `job_id = ${quoteText(jobId)} AND batch = ${BigInt(batch)}`
  /** The version, and which append counts as this batch. */
  async function look() {
    const { rows } = await session.query(
      'write',
      `SELECT count(*), min(IF(${entry}, ${appendColumn})) FROM ${names.ledger}`,
    )
    return { version: Number(rows[0]?.[0]), counting: rows[0]?.[1] ?? null }
  }

  return ledger.inTurn(async () => {
    // In order of time, so that of two gateways' appends of one batch the first stays the one that counts.
    const appendId = `${Date.now().toString(36).padStart(10, '0')}-${crypto.randomUUID()}`
    const known = await listTables(session, address, featureSchema)
    const statements = tables.flatMap((rows) => insertsOf(rows, { known, names, appendId }))
    const before = await look()
    if (before.counting !== null) return { applied: false, version: before.version }
    for (let i = 0; i < statements.length; i += statementsAtOnce)
      await Promise.all(statements.slice(i, i + statementsAtOnce).map((sql) => session.query('write', sql)))
    await session.query(
      'write',
      `INSERT INTO ${names.ledger} (${appendColumn}, job_id, batch)
       SELECT ${quoteText(appendId)}, ${quoteText(jobId)}, ${BigInt(batch)}
       WHERE NOT EXISTS (SELECT 1 FROM ${names.ledger} WHERE ${entry})`,
    )
    const after = await look()
    return { applied: after.counting === appendId, version: after.version }
  })
}

/** Throws before anything is sent. */
function insertsOf(
  { table, columns, rows }: TableRows,
  { known, names, appendId }: { known: readonly ListedTable[]; names: TrinoNames; appendId: string },
): string[] {
  const found = known.find(({ name }) => name === table)
  if (found === undefined) {
    const there = known.map(({ name }) => name).join(', ')
    throw badInput(`There is no table "${table}" to append to; there is ${there}.`)
  }
  const targets = columns.map((name) => {
    const index = found.columns.findIndex((column) => column.name === name)
    const carrier = found.carriers[index]
    if (carrier !== undefined) return { name, carrier, type: found.typeTexts[index] ?? '' }
    const there = found.columns.map((column) => column.name).join(', ')
    throw badInput(`Table ${table} has no column "${name}"; it has ${there}.`)
  })
  const list = [...columns.map(quoteName), appendColumn].join(', ')
  const selected = targets.map(({ carrier, type }, i) =>
    carrier.type === 'BYTES' ? `from_base64(r[${i + 1}])` : `CAST(r[${i + 1}] AS ${type})`,
  )
  const head = `INSERT INTO ${names.rows(table)} (${list}) SELECT ${[...selected, quoteText(appendId)].join(', ')}`

  const texts = rows.map((row, r) => {
    const cells = targets.map(({ name, carrier }, c) => {
      const value = row[c] ?? null
      const where = `Table ${table}, row ${r + 1}, column "${name}"`
      try {
        writeCell(value, carrierOf(carrier.storageType), () => where)
        return value === null ? null : writeCellText(value, carrier)
      } catch (error) {
        if (!(error instanceof ValueMismatch)) throw error
        throw badInput(error.message.startsWith(where) ? `${error.message}.` : `${where}: ${error.message}.`)
      }
    })
    return JSON.stringify(cells)
  })
  // One text holds all the rows: a literal has no other escape than the doubled quote, and the server parses it as data.
  return chunksOf(texts).map(
    (chunk) =>
      `${head} FROM UNNEST(CAST(json_parse(${quoteText(`[${chunk.join(',')}]`)}) AS array(array(varchar)))) t(r)`,
  )
}

function chunksOf(texts: readonly string[]): string[][] {
  const chunks: string[][] = []
  let length = Number.POSITIVE_INFINITY
  for (const text of texts) {
    length += text.length + 1
    if (length > mostCharacters) {
      chunks.push([])
      length = text.length
    }
    chunks.at(-1)?.push(text)
  }
  return chunks
}

function badInput(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
