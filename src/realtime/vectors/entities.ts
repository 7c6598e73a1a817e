// Entities as a request names them: objects of index keys and request columns, read into keys and cells.

import { AppError } from '../../errors.ts'
import { createCellReader, describeGiven, isObject } from '../../values/cells.ts'
import type { Column, Row, Value } from '../../values/columns.ts'
import { createKeyType, type KeyType, keyText } from '../../values/entity-key.ts'

/** How views find an entity: those that ask alike share one. */
export interface Finding {
  key: KeyType
  /** Where each of the key's columns stands in an entity. */
  columns: readonly string[]
}

export interface ReadEntity {
  /** For each finding the key's canonical text. */
  keys: readonly string[]
  /** Of the entity's own columns, then of the request's, as an ETL is given them. */
  cells(): Row
}

export function createEntityReader(options: {
  findings: readonly Finding[]
  indexKeys: readonly Column[]
  requestColumns: readonly Column[]
}): (entity: unknown) => ReadEntity | AppError {
  const { findings, indexKeys, requestColumns } = options
  const names = [...indexKeys, ...requestColumns].map(({ name }) => name)
  const known = new Set(names)
  const cellsOf = indexKeys.map(createKeyCellReader)
  const requestCells = requestColumns.map(createRequestReader)
  const form = `an object of ${names.join(', ')}`

  function read(entity: unknown): ReadEntity {
    if (!isObject(entity)) throw fault(`An entity is ${describeGiven(entity)}; it must be ${form}.`)
    for (const name in entity)
      if (!known.has(name))
        throw fault(`The entity has ${JSON.stringify(name)}, which nothing reads; it must be ${form}.`)
    const keys = findings.map(({ key, columns }) =>
      canonicalKey(
        key,
        columns.map((name) => textOf(entity, name, form)),
      ),
    )
    const own = () => indexKeys.map(({ name }, i) => cellsOf[i]?.(textOf(entity, name, form)) ?? null)
    const requested = requestColumns.map(
      ({ name }, i) => requestCells[i]?.(Object.hasOwn(entity, name) ? entity[name] : null) ?? null,
    )
    return { keys, cells: () => [...own(), ...requested] }
  }

  return (entity) => {
    try {
      return read(entity)
    } catch (error) {
      if (error instanceof AppError) return error
      throw error
    }
  }
}

/** A key's value as clients write it in text. */
function textOf(entity: Record<string, unknown>, name: string, form: string): string {
  const value = Object.hasOwn(entity, name) ? entity[name] : null
  switch (typeof value) {
    case 'string':
      return value
    case 'boolean':
      return String(value)
    case 'number':
      if (Number.isSafeInteger(value) || !Number.isInteger(value)) return String(value)
      throw fault(
        `The entity's ${name} is a number beyond ±2^53, which arrives rounded; send its digits as text.`,
      )
    default: {
      const given =
        value === null || value === undefined ? `has no ${name}` : `has ${describeGiven(value)} as ${name}`
      throw fault(`The entity ${given}, by which it is found; it must be ${form}.`)
    }
  }
}

function canonicalKey(key: KeyType, parts: readonly string[]): string {
  const text = keyText(parts)
  return key.isCanonical(text) ? text : key.parse(text).text
}

/** A client's text as the cell that the warehouse gives. */
function createKeyCellReader(column: Column): (text: string) => Value {
  const { parse } = createKeyType([column])
  return (text) => parse(text).values[0] ?? null
}

function createRequestReader(column: Column): (given: unknown) => Value {
  const read = createCellReader({ ...column, nullable: true })
  return (given) => {
    const isMissing = given === null || given === undefined
    const reading =
      isMissing && !column.nullable ? { expected: 'a value, since it may not be null' } : read(given)
    if ('value' in reading) return reading.value
    throw fault(
      `The request column ${column.name} of type ${column.type} is ${describeGiven(given)}; it must be ${reading.expected}.`,
    )
  }
}

function fault(message: string): AppError {
  return new AppError('BAD_USER_INPUT', message)
}
