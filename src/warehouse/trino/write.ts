// How values are written to Trino, for every type: as texts in one JSON text, and the expressions that make the type's values of them.

import { carrierOf, ValueMismatch } from '../../duckdb/column-types.ts'
import type { Value, ValueObject } from '../../values/columns.ts'
import { formatJson } from '../../values/json-text.ts'
import { fieldsOf, trinoCarrier } from './column-types.ts'
import { parseTrinoType, type TrinoType } from './type-text.ts'

type Present = Exclude<Value, null>

/** `json` is the text of a value as JSON; `make` the engine's expression for the type's value, given one of type json. */
interface Form {
  json(value: Present): string
  make(json: string, depth: number): string
}

export interface TrinoWriter {
  /** The value as JSON. Throws ValueMismatch. */
  json(value: Present): string
  /** The engine's expression for a value of type json. */
  make(json: string): string
  /** Whether a value is sure to be taken, and to be read again as it was written. */
  isKept: boolean
}

const asVarchar = (json: string) => `CAST(${json} AS varchar)`
const scalar = (text: (value: Present) => string, make: (varchar: string) => string): Form => ({
  json: (value) => JSON.stringify(text(value)),
  make: (json) => make(asVarchar(json)),
})

const minusZero = (value: Present) => (Object.is(value, -0) ? '-0' : String(value))
const moment = (zone: string) => (value: Present) => {
  if (/infinity/.test(String(value))) throw new ValueMismatch('Trino has no infinite times')
  return `${String(value).replace('T', ' ').replace(/Z$/, '')}${zone}`
}

/** No text is cast to one: it is so many times a thousandth of a second, or a month. */
const interval = (
  { pattern, example }: { pattern: RegExp; example: string },
  factors: readonly number[],
  unit: string,
): Form =>
  scalar(
    (value) => {
      const [, sign, ...parts] = pattern.exec(String(value)) ?? []
      if (sign === undefined) throw new ValueMismatch(`${JSON.stringify(value)} is not like ${example}`)
      const count = parts.reduce((sum, part, i) => sum + BigInt(part) * BigInt(factors[i] ?? 0), 0n)
      return String(sign === '-' ? -count : count)
    },
    (varchar) => `${unit} * CAST(${varchar} AS bigint)`,
  )

/** What is too long is refused here: a cast would cut it in silence. */
function characters(type: TrinoType): Form {
  const [most] = type.numbers
  const text = (value: Present) => {
    if (most !== undefined && [...String(value)].length > most)
      throw new ValueMismatch(`${JSON.stringify(value)} has more than ${most} characters`)
    return String(value)
  }
  return scalar(text, (varchar) => `CAST(${varchar} AS ${typeText(type)})`)
}

function partOf({ parts, name }: TrinoType, index: number): TrinoType {
  const type = parts[index]?.type
  if (type === undefined) throw new Error(`A type ${name} has no part ${index + 1}`)
  return type
}

function array(type: TrinoType): Form {
  const item = formOf(partOf(type, 0))
  return {
    json: (value) => `[${(value as readonly Value[]).map((part) => jsonOf(item, part)).join(',')}]`,
    make: (json, depth) =>
      `transform(CAST(${json} AS array(json)), x${depth} -> ${item.make(`x${depth}`, depth + 1)})`,
  }
}

/** As an array of its fields. */
function row(type: TrinoType): Form {
  const names = fieldsOf(type).map(({ name }) => name)
  const fields = type.parts.map((part) => formOf(part.type))
  return {
    json: (value) => {
      const given = value as ValueObject
      return `[${fields.map((field, i) => jsonOf(field, given[names[i] ?? ''] ?? null)).join(',')}]`
    },
    make(json, depth) {
      const cells = `CAST(${json} AS array(json))`
      const made = fields.map((field, i) => field.make(`${cells}[${i + 1}]`, depth))
      return `IF(${cells} IS NULL, NULL, CAST(ROW(${made.join(', ')}) AS ${typeText(type)}))`
    },
  }
}

/** Its value is an object by the keys' texts. */
function map(type: TrinoType): Form {
  const [key, item] = [formOf(partOf(type, 0)), formOf(partOf(type, 1))]
  return {
    json: (value) => {
      if (typeof value !== 'object' || Array.isArray(value))
        throw new ValueMismatch(`${formatJson(value)} is not an object by the map's keys`)
      const entries = Object.entries(value).map(
        ([name, part]: [string, Value]) => `${JSON.stringify(name)}:${jsonOf(item, part)}`,
      )
      return `{${entries.join(',')}}`
    },
    make(json, depth) {
      const entries = `map_entries(CAST(${json} AS map(varchar, json)))`
      const entry = `x${depth}`
      const made = `ROW(${key.make(`CAST(${entry}[1] AS json)`, depth + 1)}, ${item.make(`${entry}[2]`, depth + 1)})`
      return `map_from_entries(transform(${entries}, ${entry} -> ${made}))`
    },
  }
}

const jsonOf = (form: Form, value: Value) => (value === null ? 'null' : form.json(value))

/** Types that are not here are cast from the text that they are read as. */
const forms: Record<string, Form | ((type: TrinoType) => Form)> = {
  varchar: characters,
  char: characters,
  varbinary: scalar(
    (value) => Buffer.from(value as Uint8Array).toString('base64'),
    (varchar) => `from_base64(${varchar})`,
  ),
  json: { json: formatJson, make: (json) => json },
  'interval day to second': interval(
    { pattern: /^(-?)(\d+) (\d\d):(\d\d):(\d\d)\.(\d{3})$/, example: '2 03:04:05.678' },
    [86_400_000, 3_600_000, 60_000, 1000, 1],
    "INTERVAL '0.001' SECOND",
  ),
  'interval year to month': interval(
    { pattern: /^(-?)(\d+)-(\d+)$/, example: '1-11' },
    [12, 1],
    "INTERVAL '1' MONTH",
  ),
  array,
  row,
  map,
}

function formOf(type: TrinoType): Form {
  const found = forms[type.name]
  if (found !== undefined) return typeof found === 'function' ? found(type) : found
  const cast = (varchar: string) => `CAST(${varchar} AS ${typeText(type)})`
  switch (type.name) {
    case 'timestamp':
      return scalar((type.numbers[0] ?? 3) > 6 ? String : moment(''), cast)
    case 'timestamp with time zone':
      return scalar((type.numbers[0] ?? 3) > 6 ? String : moment(' UTC'), cast)
    case 'date':
      return scalar(moment(''), cast)
    default:
      return scalar(minusZero, cast)
  }
}

function typeText({ name, numbers, parts }: TrinoType): string {
  const inner = [
    ...numbers.map(String),
    ...parts.map(
      (part) => `${part.name === null ? '' : `"${part.name.replaceAll('"', '""')}" `}${typeText(part.type)}`,
    ),
  ]
  if (inner.length === 0) return name
  const [first = '', ...rest] = name.split(' ')
  return [`${first}(${inner.join(', ')})`, ...rest].join(' ')
}

const keptTypes = new Set(['boolean', 'tinyint', 'smallint', 'integer', 'bigint', 'double', 'decimal'])

export function trinoWriter(text: string): TrinoWriter {
  const type = parseTrinoType(text)
  const form = formOf(type)
  const carrier = carrierOf(trinoCarrier(text).storageType)
  const isKept =
    keptTypes.has(type.name) ||
    (type.name === 'varchar' && type.numbers.length === 0) ||
    (type.name === 'timestamp' && type.numbers[0] === 6)
  return {
    json(value) {
      carrier.write(value)
      if (typeof value === 'string' && !value.isWellFormed())
        throw new ValueMismatch('half of a character of two halves is no text')
      return form.json(value)
    },
    make: (json) => form.make(json, 0),
    isKept,
  }
}
