// Parquet files on their way into a table of PostgreSQL: as CSV that the engine writes, where the server reads each value of it as the same, else batch by batch as rows.

import { pipeline } from 'node:stream/promises'
import type { FileReader } from '../../parquet/file-reader.ts'
import { quoteName } from '../../sql/sql-text.ts'
import type { TableFiles } from '../port.ts'
import { createTarget, type Target, type TargetColumn } from './append-target.ts'
import type { ListedTable } from './schema.ts'
import type { Way } from './written.ts'

interface Into {
  table: ListedTable
  columns: readonly TargetColumn[]
  way: Way
}

export async function* targetsOfFiles(
  part: TableFiles,
  { table, columns, way }: Into,
  files: FileReader,
): AsyncGenerator<Target> {
  const texts = part.columns.map(({ name, storage }) => csvText(quoteName(name), storage))
  const expressions = texts.filter((text) => text !== null)
  const mayCopy = way.mayCopy && columns.every(({ carrier }) => !carrier.isJsonOnly)
  const empty = { table: part.table, columns: columns.map(({ name }) => name), rows: [] }
  if (mayCopy && expressions.length === texts.length) {
    const feed = (copy: NodeJS.WritableStream) =>
      files.csv(part.files, expressions, (csv) => pipeline(csv, copy))
    const csv = { count: part.rowCount, feed }
    yield { table, columns, way, rows: empty, wanted: [], known: [], byCopy: true, texts: [], csv }
    return
  }
  for await (const rows of files.rows(part.files, part.columns))
    yield createTarget({ table, columns }, way, { rows: { ...empty, rows }, keys: [] })
}

/** Whether every value is stored as it was given: none is rounded, cut or respelt. */
export function keepsAll({ carrier, ownType }: TargetColumn): boolean {
  const alike = [
    'boolean',
    'smallint',
    'integer',
    'bigint',
    'double precision',
    'text',
    'uuid',
    'date',
    'bytea',
  ]
  const moments = ['timestamp without time zone', 'timestamp with time zone']
  return alike.includes(ownType) || moments.includes(ownType) || carrier.storage.startsWith('DECIMAL(')
}

/** Bytes in hexadecimals, and years before the first as the server writes them. */
const forms: Readonly<Record<string, (column: string) => string>> = {
  BLOB: (column) => `'\\x' || hex(${column})`,
  DATE: (column) => `replace(CAST(${column} AS VARCHAR), ' (BC)', ' BC')`,
  TIMESTAMP: (column) => `replace(CAST(${column} AS VARCHAR), ' (BC)', ' BC')`,
  'TIMESTAMP WITH TIME ZONE': (column) => `replace(CAST(${column} AS VARCHAR), ' (BC)', ' BC')`,
}
const asTheyAre =
  /^(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|VARCHAR|JSON|DECIMAL\(\d+,\s*\d+\))$/

/** The engine's expression for what the server reads as the value; null for types whose texts the two write otherwise. */
export function csvText(column: string, storage: string): string | null {
  const form = forms[storage] ?? (asTheyAre.test(storage) ? (cast: string) => cast : undefined)
  return form?.(`CAST(${column} AS ${storage})`) ?? null
}
