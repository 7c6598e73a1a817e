// Whether values of a file's column may go into a table's: all of them, those that pass a test, or none. Nothing is rounded, cut or parsed in silence.

import { quoteName } from '../sql/sql-text.ts'
import { integerRange, parseStorage, type Storage } from '../values/storage-text.ts'

export type Fit = 'ALWAYS' | 'TESTED' | 'NEVER'

/** Types in the engine's words. */
export function fitOf(given: string, wanted: string): Fit {
  return fitBetween(parseStorage(given), parseStorage(wanted))
}

/** For a file's column the expression that says whether a value fits; null when all do. A null is for the table to judge. */
export function testOf(name: string, given: string, wanted: string): string | null {
  const column = quoteName(name)
  switch (fitOf(given, wanted)) {
    case 'ALWAYS':
      return null
    case 'NEVER':
      return `${column} IS NULL`
    case 'TESTED':
      return `(${column} IS NULL OR ${valueTest(column, given, wanted)})`
  }
}

/** A value fits when it comes back the same from the wanted type. */
function valueTest(column: string, given: string, wanted: string): string {
  const cast = `TRY_CAST(${column} AS ${wanted})`
  if (wanted === 'JSON') return `json_valid(${column})`
  // A number of fewer bits is the nearest to the one given, which may neither be lost nor become infinite.
  if (wanted === 'FLOAT' && !isWhole(given))
    return `coalesce((${cast} <> 0 OR ${column} = 0) AND (isfinite(${cast}) OR NOT isfinite(${column})), false)`
  return `coalesce(TRY_CAST(${cast} AS ${given}) = ${column}, false)`
}

const isWhole = (type: string) => integerRange(type) !== undefined || type.endsWith('HUGEINT')

const moments = ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMP_S', 'TIMESTAMP_MS']
const fractions = ['FLOAT', 'DOUBLE']

function fitBetween(given: Storage, wanted: Storage): Fit {
  if (wanted.kind === 'plain' && wanted.name === 'JSON') return fitOfJson(given)
  if (given.kind === 'list' && wanted.kind === 'list') {
    const isShaped = wanted.length !== null && wanted.length !== given.length
    return least([fitBetween(given.item, wanted.item), isShaped ? 'TESTED' : 'ALWAYS'])
  }
  if (given.kind === 'struct' && wanted.kind === 'struct') return fitOfStruct(given.fields, wanted.fields)
  if (isNumber(given) && isNumber(wanted)) return fitOfNumber(given, wanted)
  if (given.kind !== 'plain' || wanted.kind !== 'plain') return 'NEVER'
  if (given.name === wanted.name) return 'ALWAYS'
  if (wanted.name === 'VARCHAR') return /^(UUID|TIME|ENUM\b.*)$/s.test(given.name) ? 'ALWAYS' : 'NEVER'
  if (!moments.slice(0, 2).includes(wanted.name)) return 'NEVER'
  if (given.name === 'TIMESTAMP_NS') return 'TESTED'
  return moments.includes(given.name) ? 'ALWAYS' : 'NEVER'
}

function fitOfJson(given: Storage): Fit {
  if (given.kind !== 'plain' || given.name === 'JSON') return 'ALWAYS'
  return given.name === 'VARCHAR' ? 'TESTED' : 'NEVER'
}

type Fields = Extract<Storage, { kind: 'struct' }>['fields']

/** A field that is left out is null. */
function fitOfStruct(given: Fields, wanted: Fields): Fit {
  const fits = given.map(({ name, storage }) => {
    const field = wanted.find((each) => each.name === name)
    return field === undefined ? 'NEVER' : fitBetween(storage, field.storage)
  })
  return least(fits)
}

function least(fits: readonly Fit[]): Fit {
  if (fits.includes('NEVER')) return 'NEVER'
  return fits.includes('TESTED') ? 'TESTED' : 'ALWAYS'
}

function isNumber(type: Storage): boolean {
  return (
    type.kind === 'decimal' ||
    (type.kind === 'plain' && (isWhole(type.name) || fractions.includes(type.name)))
  )
}

function fitOfNumber(given: Storage, wanted: Storage): Fit {
  if (given.kind === 'decimal' && wanted.kind === 'decimal') {
    const digits = wanted.precision - wanted.scale >= given.precision - given.scale
    return digits && wanted.scale >= given.scale ? 'ALWAYS' : 'TESTED'
  }
  if (given.kind !== 'plain' || wanted.kind !== 'plain') return 'TESTED'
  if (given.name === wanted.name || (given.name === 'FLOAT' && wanted.name === 'DOUBLE')) return 'ALWAYS'
  const [from, to] = [integerRange(given.name), integerRange(wanted.name)]
  if (from === undefined) return 'TESTED'
  if (to !== undefined) return from[0] >= to[0] && from[1] <= to[1] ? 'ALWAYS' : 'TESTED'
  const isExact = wanted.name === 'DOUBLE' && from[1] < 2n ** 53n
  return isExact ? 'ALWAYS' : 'TESTED'
}
