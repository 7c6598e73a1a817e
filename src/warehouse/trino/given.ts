// Rows for a statement as a table in a schema of their own, which is dropped when the statement has ended.

import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { AppError } from '../../errors.ts'
import type { FileReader } from '../../parquet/file-reader.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import { refusalOfRows } from '../given-rows.ts'
import type { ExportRequest, GivenRows } from '../port.ts'
import { trinoDialect } from './dialect.ts'
import { TrinoFailure } from './error.ts'
import { jsonTexts, relationOf, type WrittenColumn } from './json-rows.ts'
import { schemasIn, spinesSchema, tablesIn } from './schema.ts'
import type { TrinoSession } from './session.ts'
import type { TrinoAddress } from './url.ts'
import { trinoWriter } from './write.ts'

export interface GivingParts {
  session: TrinoSession
  address: TrinoAddress
  files: FileReader
  log: Logger
}

/** With the name of the table that it was lent. */
type Asked = ExportRequest & { lent: string | null }

/** No statement runs so long: a table that is older was left by a gateway that died. */
const strayMs = 24 * 3_600_000
const statementsAtOnce = 2

/** Not every connector has small integers, and the values of the others are the same. */
const wider: Readonly<Record<string, string>> = {
  TINYINT: 'integer',
  UTINYINT: 'integer',
  SMALLINT: 'integer',
}

/** What the engine has not the memory for in one statement is had in parts, over files. */
const ofMemory = /^(EXCEEDED_(LOCAL|GLOBAL)_MEMORY_LIMIT|CLUSTER_OUT_OF_MEMORY)$/

/** The work in whose time the table is there. */
export async function withGiven<T>(
  parts: GivingParts,
  request: ExportRequest,
  work: (asked: Asked) => Promise<T>,
): Promise<T> {
  const { given, sql, signal } = request
  if (given === undefined) return work({ ...request, lent: null })
  const { session, address, log } = parts
  const lent = `spine_${Date.now()}_${randomBytes(12).toString('hex')}`
  const place = placeOf(address, lent)
  const columns = given.columns.map(writtenAs)
  const orRefuse = (filling: () => Promise<void>) => refusing(filling, parts, signal)
  await orRefuse(() => makeTable(parts, { place, columns, signal }))
  try {
    await orRefuse(() => fill(parts, { given, place, columns, signal }))
    return await work({ ...request, sql: sql.replaceAll(given.name, place), lent })
  } catch (error) {
    const failure = error instanceof AppError ? error.cause : error
    throw failure instanceof TrinoFailure && ofMemory.test(failure.kind) ? unfit(failure, log) : error
  } finally {
    await session
      .query('write', `DROP TABLE IF EXISTS ${place}`)
      .catch((error: unknown) => log.warn({ err: error, table: place }, 'A lent table is yet to be dropped'))
  }
}

function placeOf({ rowsCatalog }: TrinoAddress, table: string): string {
  return [rowsCatalog, spinesSchema, table].map(quoteName).join('.')
}

/** What keeps the rows from being written, a right, a type, a value, keeps nobody from joining them over files. */
async function refusing(
  work: () => Promise<void>,
  { log }: GivingParts,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    const isRefused = error instanceof TrinoFailure || error instanceof AppError
    if (signal?.aborted || !isRefused) throw error
    throw unfit(error, log)
  }
}

function unfit(error: unknown, log: Logger): AppError {
  log.info({ err: error }, 'Rows cannot be given to Trino as a table, and are joined over files')
  return refusalOfRows(error)
}

type LentColumn = WrittenColumn & { type: string }

function writtenAs({ name, storage = '' }: Column): LentColumn {
  const type = wider[storage] ?? trinoDialect.types[storage] ?? storage.toLowerCase()
  return { name, type, writer: trinoWriter(type) }
}

interface Lending {
  place: string
  columns: readonly LentColumn[]
  signal: AbortSignal | undefined
}

async function makeTable(parts: GivingParts, { place, columns, signal }: Lending): Promise<void> {
  await makeRoom(parts, signal)
  const types = columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
  await parts.session.query('write', `CREATE TABLE ${place} (${types.join(', ')})`, { signal })
}

/** The schema, without what was left in it. */
async function makeRoom(
  { session, address, log }: GivingParts,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { rowsCatalog } = address
  const schema = `${quoteName(rowsCatalog)}.${spinesSchema}`
  if (!(await schemasIn(session, rowsCatalog)).has(spinesSchema))
    await session.query('write', `CREATE SCHEMA IF NOT EXISTS ${schema}`, { signal })
  const tables = await tablesIn(session, rowsCatalog, spinesSchema)
  for (const table of tables.filter(isStray)) {
    log.info({ table }, 'Dropping a table that a gateway left behind')
    await session.query('write', `DROP TABLE IF EXISTS ${placeOf(address, table)}`, { signal })
  }
}

function isStray(table: string): boolean {
  const [, madeMs] = /^spine_(\d+)_/.exec(table) ?? []
  return madeMs !== undefined && Date.now() - Number(madeMs) > strayMs
}

async function fill(
  { session, files }: GivingParts,
  { given, place, columns, signal }: Lending & { given: GivenRows },
): Promise<void> {
  const made = columns.map(({ writer }, i) => writer.make(`r[${i + 1}]`)).join(', ')
  const names = columns.map(({ name }) => name)
  const insert = (text: string) =>
    session.query('write', `INSERT INTO ${place} SELECT ${made} ${relationOf(text)}`, { signal })
  for await (const rows of files.rows([given.path], given.columns)) {
    refuseNaN(rows)
    const texts = [...jsonTexts({ table: place, columns: names, rows }, columns)]
    for (let i = 0; i < texts.length; i += statementsAtOnce)
      await Promise.all(texts.slice(i, i + statementsAtOnce).map(insert))
  }
}

/** The engine finds no row by it, where a lookup and the join over files do. */
function refuseNaN(rows: readonly Row[]): void {
  if (rows.some((row) => row.some((value) => Number.isNaN(value))))
    throw new AppError('BAD_USER_INPUT', 'A key is NaN, by which Trino joins nothing')
}
