// Tables made for their users: names and types checked, and one that is there already held against what was asked for.

import { AppError } from '../errors.ts'
import { quoteName } from '../sql/sql-text.ts'
import { type Column, type ColumnType, usualStorage } from '../values/columns.ts'
import { parseStorage, type Storage } from '../values/storage-text.ts'
import type { Dialect } from './dialect.ts'
import { featureSchema, type NewColumn, type NewTable, type Warehouse, type WarehouseTable } from './port.ts'

export interface TableToMake {
  schema: string
  name: string
  columns: readonly ColumnToMake[]
  indexed: readonly string[]
}

interface ColumnToMake {
  name: string
  /** In the engine's words. */
  type: string
  nullable: boolean
}

/** As a server's names are; PostgreSQL would cut a longer one in silence. */
const longestNameBytes = 63
const maxColumns = 1000

const usual: Readonly<Partial<Record<ColumnType, string>>> = usualStorage
const examples: Readonly<Partial<Record<ColumnType, string>>> = {
  DECIMAL: 'DECIMAL(18,2)',
  LIST: 'DOUBLE[]',
  STRUCT: 'STRUCT(street VARCHAR, number INTEGER)',
}

export async function createTable(
  {
    dialect,
    make,
    ownTypes,
    ...warehouse
  }: Pick<Warehouse, 'describe' | 'tables'> & {
    dialect: Dialect
    /** Makes it, its schema too, unless it is there meanwhile. */
    make(table: TableToMake): Promise<void>
    /**
     * The types of a statement's columns in the engine's words, which differ where files hold columns alike. Left out
     * where a table's columns may have other types than they were made of.
     */
    ownTypes?(sql: string): Promise<readonly string[]>
  },
  { schema = featureSchema, name, columns, indexed = [] }: NewTable,
): Promise<WarehouseTable> {
  checkNames(dialect, { schema, name, columns })
  const made = columns.map((column) => ({ ...column, type: typeOf(dialect, column) }))
  const wanted = await describeColumns(warehouse, columns, made)
  const find = async () => {
    const isSame = (a: string, b: string) =>
      dialect.ignoresCase ? a.toLowerCase() === b.toLowerCase() : a === b
    return (await warehouse.tables()).find(
      (table) => isSame(table.schema, schema) && isSame(table.name, name),
    )
  }
  const known = await find()
  if (known === undefined) await make({ schema, name, columns: made, indexed })
  const found = known ?? (await find())
  if (found === undefined)
    throw new AppError(
      'WAREHOUSE_FAILED',
      `The table ${schema}.${name} was made, and cannot be seen: another statement may have removed it.`,
    )
  assertSame(found, differencesOf(found, wanted, dialect))
  if (ownTypes !== undefined && columns.some(({ storage }) => storage !== undefined))
    assertSame(found, await differencesOfTypes(ownTypes, found, made))
  return found
}

function checkNames(dialect: Dialect, { schema, name, columns }: NewTable & { schema: string }): void {
  checkName('schema', schema)
  checkName('table', name)
  if (dialect.closedSchemas.includes(schema.toLowerCase()))
    throw badInput(`No table can be made in the schema ${schema}, which is not the users'.`)
  if (columns.length === 0 || columns.length > maxColumns)
    throw badInput(`The table ${name} has ${columns.length} columns; it must have 1 to ${maxColumns}.`)
  const seen = new Set<string>()
  for (const column of columns) {
    checkName('column', column.name)
    if (seen.has(column.name.toLowerCase()))
      throw badInput(
        `The table ${name} has two columns "${column.name}"; names must differ in more than case.`,
      )
    seen.add(column.name.toLowerCase())
  }
}

function checkName(what: string, name: string): void {
  const isFit = name !== '' && Buffer.byteLength(name) <= longestNameBytes && name.isWellFormed()
  if (isFit && !/\p{Cc}/u.test(name)) return
  throw badInput(
    `${JSON.stringify(name.slice(0, 100))} cannot be the name of a ${what}: it must have 1 to ${longestNameBytes} bytes, and no control characters.`,
  )
}

/** Words, perhaps with numbers in parentheses: nothing that could end the type. */
const plainType = /^[A-Z_][A-Z0-9_]*( [A-Z_][A-Z0-9_]*)*( ?\(\d+( ?, ?\d+)?\))?( [A-Z]+)*$/

function typeOf(dialect: Dialect, { name, type, storage }: NewColumn): string {
  const text = storage ?? usual[type]
  if (text === undefined)
    throw badInput(`Column "${name}": ${type} needs a storage that says of what, ${examples[type]} say.`)
  const write = (parsed: Storage): string => {
    switch (parsed.kind) {
      case 'decimal':
        return dialect.decimal(parsed.precision, parsed.scale)
      case 'list':
        return dialect.list(write(parsed.item), parsed.length)
      case 'struct':
        return dialect.struct(
          parsed.fields.map((field) => ({ name: field.name, type: write(field.storage) })),
        )
      case 'plain':
        if (plainType.test(parsed.name)) return dialect.types[parsed.name] ?? parsed.name
        throw badInput(`Column "${name}": ${JSON.stringify(text.slice(0, 200))} is no type.`)
    }
  }
  return write(parseStorage(text))
}

/** The columns as they will be listed, by the engine's own account of their types. */
async function describeColumns(
  warehouse: Pick<Warehouse, 'describe'>,
  asked: readonly NewColumn[],
  made: readonly ColumnToMake[],
): Promise<Column[]> {
  const describe = async (types: readonly string[]) => (await warehouse.describe(selectNulls(types))).columns
  const described = await describe(made.map(({ type }) => type)).catch(async (error: unknown) => {
    for (const { name, type } of made) await describe([type]).catch(refused(name, type))
    throw error
  })
  return asked.map(({ name, type, nullable }, i) => {
    const { type: found = type, storage = '' } = described[i] ?? {}
    // An engine without such a type holds it as JSON.
    if (found !== type && !(type === 'STRUCT' && found === 'JSON'))
      throw badInput(`Column "${name}": ${made[i]?.type} is a ${found}, not a ${type}.`)
    return { name, type: found, nullable, storage }
  })
}

function selectNulls(types: readonly string[]): string {
  return `SELECT ${types.map((type, i) => `CAST(NULL AS ${type}) AS c${i}`).join(', ')}`
}

function refused(name: string, type: string) {
  return (error: unknown): never => {
    if (!(error instanceof AppError) || error.code !== 'INVALID_SQL') throw error
    const reason = error.message.replace(/^line \d+, column \d+: /, '')
    throw badInput(`Column "${name}": the warehouse has no type ${type}: ${reason}`)
  }
}

function differencesOf(
  { kind, columns: found }: WarehouseTable,
  wanted: readonly Column[],
  { ignoresCase }: Dialect,
): string[] {
  const keyOf = (column: Column) => (ignoresCase ? column.name.toLowerCase() : column.name)
  const differences = kind === 'TABLE' ? [] : [`it is a ${kind.toLowerCase()}`]
  const known = new Map(found.map((column) => [keyOf(column), column]))
  for (const column of wanted) {
    const now = known.get(keyOf(column))
    known.delete(keyOf(column))
    if (now === undefined) differences.push(`it has no column "${column.name}"`)
    else if (now.type !== column.type) differences.push(`"${now.name}" is ${now.type}, not ${column.type}`)
    else if (now.storage !== column.storage)
      differences.push(`"${now.name}" is ${now.storage}, not ${column.storage}`)
    else if (now.nullable !== column.nullable)
      differences.push(`"${column.name}" ${now.nullable ? 'may be null' : 'may not be null'}`)
  }
  for (const column of known.values()) differences.push(`it has a column "${column.name}" besides`)
  if (differences.length === 0 && wanted.some((column, i) => keyOf(column) !== keyOf(found[i] ?? column)))
    differences.push(`its columns are in the order ${found.map((column) => column.name).join(', ')}`)
  return differences
}

/** Of the columns for which a storage was asked: without one, whatever holds the type will do. */
async function differencesOfTypes(
  ownTypes: (sql: string) => Promise<readonly string[]>,
  { schema, name: table, columns }: WarehouseTable,
  made: readonly (ColumnToMake & Pick<NewColumn, 'storage'>)[],
): Promise<string[]> {
  const names = columns.map((column) => quoteName(column.name)).join(', ')
  const found = await ownTypes(`SELECT ${names} FROM ${quoteName(schema)}.${quoteName(table)}`)
  const asked = await ownTypes(selectNulls(made.map(({ type }) => type)))
  return made.flatMap(({ name, storage }, i) =>
    storage === undefined || found[i] === asked[i] ? [] : [`"${name}" is ${found[i]}, not ${asked[i]}`],
  )
}

function assertSame({ schema, name }: WarehouseTable, differences: readonly string[]): void {
  if (differences.length === 0) return
  throw new AppError(
    'CONFLICT',
    `${schema}.${name} is there already, and differs: ${differences.join('; ')}.`,
    {
      details: { differences },
    },
  )
}

/** What every dialect makes of the columns. */
export function columnDefinitions(columns: readonly ColumnToMake[]): string {
  return columns
    .map(({ name, type, nullable }) => `${quoteName(name)} ${type}${nullable ? '' : ' NOT NULL'}`)
    .join(', ')
}

function badInput(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
