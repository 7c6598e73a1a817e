// Where a feature view's rows are: Feast's batch sources as what a statement here selects from.

import { posix } from 'node:path'
import { nameInEngine } from '../../sql/sql-text.ts'
import { isObject } from '../../values/cells.ts'
import type { FeastSource } from './registry.ts'

/** Why something cannot be taken, for people. */
export class LeftOut extends Error {}

export interface Tables {
  /** The warehouse's tables whose names hold the text, as SQL has to write them. */
  search(text: string): Promise<readonly string[]>
}

/** Two files of one name are one table to the gateway, whichever of them it has. */
export type FileNames = ReadonlyMap<string, ReadonlySet<string>>

export function fileNamesOf(sources: readonly FeastSource[]): FileNames {
  const names = new Map<string, Set<string>>()
  for (const { fileOptions } of sources) {
    if (fileOptions === undefined) continue
    const name = nameInEngine(tableOfFile(fileOptions.uri))
    names.set(name, (names.get(name) ?? new Set()).add(fileOptions.uri))
  }
  return names
}

/** What stands behind FROM. Throws LeftOut. */
export async function relationOf(source: FeastSource, files: FileNames, tables: Tables): Promise<string> {
  if (source.fileOptions !== undefined) return fileTable(source.fileOptions, files, tables)
  if (source.dataSourceClassType.endsWith('.PostgreSQLSource')) return postgresRelation(source, tables)
  const kind = source.dataSourceClassType.split('.').at(-1) || source.type
  throw new LeftOut(
    `its source ${source.name} is a ${kind}; files and PostgreSQL are followed. Save a query over the table where the gateway's warehouse has it`,
  )
}

const tableOfFile = (uri: string) => posix.basename(uri.replace(/\/+$/, '')).replace(/\.parquet$/i, '')

async function fileTable(
  { uri, fileFormat }: NonNullable<FeastSource['fileOptions']>,
  files: FileNames,
  tables: Tables,
): Promise<string> {
  const name = tableOfFile(uri)
  const alike = [...(files.get(nameInEngine(name)) ?? [])]
  if (alike.length > 1)
    throw new LeftOut(`${alike.join(' and ')} would be one table, files.${name}; rename one and its source`)
  const [found, ...others] = await findTables(`files.${name}`, tables)
  if (found !== undefined && others.length === 0) return found
  const path = `${'deltaFormat' in fileFormat ? 'delta:' : ''}${uri}`
  throw new LeftOut(
    `the gateway has no table files.${name}: where its warehouse is DuckDB, name the file in its setting WAREHOUSE_FILES=${path}, then import again`,
  )
}

async function postgresRelation({ name, customOptions }: FeastSource, tables: Tables): Promise<string> {
  const { table, query } = readConfiguration(customOptions?.configuration ?? '')
  // A line comment at its end would hide the parenthesis.
  if (query !== '') return `(\n${query.trim().replace(/;$/, '')}\n) AS source`
  if (table === '') throw new LeftOut(`its source ${name} names neither a table nor a query`)
  const found = await findTables(table, tables)
  const [first] = found
  if (first === undefined)
    throw new LeftOut(
      `the gateway's warehouse has no table ${table}; with WAREHOUSE_URL it reads the database that has it`,
    )
  if (found.length > 1)
    throw new LeftOut(
      `the gateway's warehouse has several tables ${table}, ${found.join(' and ')}; name the schema in the source`,
    )
  return first
}

function readConfiguration(base64: string): { table: string; query: string } {
  try {
    const given: unknown = JSON.parse(Buffer.from(base64, 'base64').toString())
    const { table, query } = isObject(given) ? given : {}
    return { table: typeof table === 'string' ? table : '', query: typeof query === 'string' ? query : '' }
  } catch {
    return { table: '', query: '' }
  }
}

/** By its name with or without its schema. */
async function findTables(name: string, tables: Tables): Promise<readonly string[]> {
  const plain = (spelled: string) => nameInEngine(spelled.replaceAll('"', ''))
  const wanted = plain(name)
  const found = await tables.search(wanted.split('.').at(-1) ?? wanted)
  return found.filter((each) => plain(each) === wanted || plain(each).endsWith(`.${wanted}`)).toSorted()
}
