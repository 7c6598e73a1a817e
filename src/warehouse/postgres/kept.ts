// Which values PostgreSQL is sure to take for a column's type, and to give back as they were written.

import type { Value } from '../../values/columns.ts'
import { type Builtin, builtinOf, isWithinRange, type TypeEntries } from './column-types.ts'

type Present = Exclude<Value, null>

/** `text` is the value as it is written. False where only the server knows: it may round, cut, respell or refuse it. */
export type Keeps = (value: Present, text: string) => boolean

const always: Keeps = () => true
const never: Keeps = () => false
const textKept: Keeps = (_value, text) => !text.includes('\0')

/** A length that a type was given stands four above itself. */
const within =
  (modifier: number): Keeps =>
  (value, text) =>
    textKept(value, text) && (modifier < 0 || [...text].length <= modifier - 4)

/** A time of another precision than the usual, the server's finest, is rounded. */
const moment = (modifier: number): Keeps =>
  modifier >= 0 && modifier !== 6 ? never : (value) => isWithinRange('TIMESTAMP', value)

/** With more places than digits, or with fewer than none, digits before the point are rounded. */
function numeric(modifier: number): Keeps {
  if (modifier < 0) return never
  const precision = ((modifier - 4) >> 16) & 0xffff
  const scale = (modifier - 4) & 0x7ff
  return scale <= precision && precision <= 38 ? always : never
}

const canonicalUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** Escapes may name what the server's texts cannot hold. */
const jsonKept: Keeps = (_value, text) => !text.includes('\\u') && !text.includes('\0')

/** All others are the server's to know. */
const rules: Partial<Record<Builtin, (modifier: number) => Keeps>> = {
  BOOL: () => always,
  BYTEA: () => always,
  INT2: () => always,
  INT4: () => always,
  INT8: () => always,
  OID: () => (value) => Number(value) >= 0 && Number(value) < 2 ** 32,
  FLOAT8: () => always,
  NUMERIC: numeric,
  TEXT: () => textKept,
  VARCHAR: within,
  BPCHAR: (modifier) => (value, text) => !text.endsWith(' ') && within(modifier)(value, text),
  UUID: () => (_value, text) => canonicalUuid.test(text),
  DATE: () => (value) => isWithinRange('DATE', value),
  TIMESTAMP: moment,
  TIMESTAMPTZ: moment,
  JSON: () => jsonKept,
  JSONB: () => jsonKept,
}

/** Of these the server takes every value that the column's storage holds, though it may round some. */
const surelyTaken = new Set<Builtin | undefined>([
  'BOOL',
  'BYTEA',
  'INT2',
  'INT4',
  'INT8',
  'FLOAT4',
  'FLOAT8',
  'NUMERIC',
  'TEXT',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMPTZ',
])

/** Whether the server alone knows which values of a column it takes. */
export function isJudged(oid: number): boolean {
  return !surelyTaken.has(builtinOf(oid))
}

export function keepsOf(oid: number, modifier: number, entries: TypeEntries): Keeps {
  const builtin = builtinOf(oid)
  if (builtin !== undefined) return rules[builtin]?.(modifier) ?? never
  const entry = entries.get(oid)
  if (entry?.isArray !== true) return never
  const item = keepsOf(entry.elementOid, modifier, entries)
  if (item === jsonKept) return never
  return (value) =>
    Array.isArray(value) && value.every((part: Value) => part === null || item(part, String(part)))
}
