// Tables of a user's own: keys of many types, in all spellings that an engine takes for them, with triggers and defaults.

import type { Dice } from './dice.ts'

export type EngineName = 'duckdb' | 'postgres'

export interface KeyKind {
  type: string
  /** As rows may have them; several may be one value. */
  written: readonly (string | number | boolean)[]
  /** As lookups may have them beside these. */
  spelled?: readonly string[]
}

const uuids = [
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12',
  '00000000-0000-0000-0000-000000000000',
]
const texts = ['u1', 'u2', 'U1', 'u1 ', ' u1', 'a', "' OR 1=1", '🦆', 'straße', '', '01', '1']
const days = ['2026-01-31', '1969-12-31', '9999-12-31']
const moments = ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.4Z', '2026-01-31T12:00:00.000001Z']
const integers = [0, 1, -1, 42, 2147483647]

export const keyKinds: Record<EngineName, readonly KeyKind[]> = {
  duckdb: [
    { type: 'VARCHAR', written: texts },
    { type: 'UUID', written: uuids },
    { type: 'INTEGER', written: integers },
    { type: 'BIGINT', written: [...integers, '9007199254740993', '-9223372036854775808'] },
    { type: 'DECIMAL(10,2)', written: [1, '1.0', '1.00', '-0.01', 0, '12345678.9'] },
    { type: 'DOUBLE', written: [0.5, 0, 1e300, 3], spelled: ['5e-1'] },
    { type: 'DATE', written: days },
    { type: 'TIMESTAMP', written: moments },
    { type: 'BOOLEAN', written: [true, false] },
  ],
  postgres: [
    { type: 'text', written: texts },
    { type: 'varchar(3)', written: ['abc', 'abc  ', 'ab', 'ab ', 'u1'] },
    { type: 'char(4)', written: ['ab', 'ab ', 'ab  ', 'abc', 'u1'] },
    { type: 'uuid', written: [...uuids, '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'] },
    { type: 'integer', written: integers },
    { type: 'bigint', written: [...integers, '9007199254740993'] },
    { type: 'numeric', written: ['1', '1.0', '1.00', '0.00000001', '100', '-7.50'] },
    { type: 'numeric(10,2)', written: [1, '1.0', '1.00', '-0.01', '12345678.9'] },
    { type: 'date', written: days },
    { type: 'timestamp(0)', written: moments },
    { type: 'timestamptz(3)', written: moments },
    { type: 'boolean', written: [true, false] },
    { type: 'inet', written: ['10.0.0.1', '10.0.0.1/32', '10.0.0.0/8', '::1'] },
  ],
}

export const tableNames = ['fuzz_a', 'fuzz_b', 'fuzz_c'] as const

/** With a primary key or without one, so that some orders are total and others are not. */
export function createTables(engine: EngineName, { type }: KeyKind, { pick, below }: Dice): string[] {
  const [text, double] = engine === 'duckdb' ? ['VARCHAR', 'DOUBLE'] : ['text', 'double precision']
  return tableNames.flatMap((name) => {
    const table = `feature_store.${name}`
    const id = `id ${text} ${pick(['', 'PRIMARY KEY'])}`
    const statements = [
      `CREATE TABLE ${table} (${id}, user_id ${type}, s ${text} ${pick(['', "DEFAULT 'none'"])}, x ${double})`,
    ]
    const isText = type === 'text' || type.startsWith('varchar')
    if (engine === 'duckdb' || !isText || below(2) === 0) return statements
    return [
      ...statements,
      `CREATE FUNCTION lower_${name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.user_id := lower(NEW.user_id); RETURN NEW; END'`,
      `CREATE TRIGGER lowers BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION lower_${name}()`,
    ]
  })
}

let lastId = 0

export function createRows({ written }: KeyKind, { below, pick, real }: Dice): Record<string, unknown>[] {
  const isRandom = below(2) === 0
  return Array.from({ length: 1 + below(12) }, () => ({
    id: `row ${++lastId}`,
    ...(below(10) > 0 && { user_id: pick(written) }),
    ...(below(8) > 0 && { s: pick(['u1', 'a', 'b', 'ab', '1']) }),
    // Ties where it is one of few, all digits of a double where it is not.
    ...(below(8) > 0 && { x: isRandom ? real() * 10 ** below(6) : below(6) / 4 }),
  }))
}
