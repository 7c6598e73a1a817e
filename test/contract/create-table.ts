// What every warehouse makes of a table that is asked for: of every type, in any schema, once.

import { describe, expect, test } from 'vitest'
import type { AppError } from '../../src/errors.ts'
import type { ColumnType, Value } from '../../src/values/columns.ts'
import type { NewColumn, NewTable, Warehouse } from '../../src/warehouse/port.ts'
import { ingest } from './own-tables.ts'

/** A value of each type, which an application's JSON can bring. */
const everyType: readonly (Omit<NewColumn, 'nullable'> & { value: Value })[] = [
  { name: 'a_boolean', type: 'BOOLEAN', value: true },
  { name: 'an_int32', type: 'INT32', value: -7 },
  { name: 'a_small', type: 'INT32', storage: 'SMALLINT', value: 300 },
  { name: 'an_int64', type: 'INT64', value: 2 ** 40 },
  { name: 'a_float64', type: 'FLOAT64', value: 0.1 },
  { name: 'a_float', type: 'FLOAT64', storage: 'FLOAT', value: 0.5 },
  { name: 'a_decimal', type: 'DECIMAL', storage: 'DECIMAL(18,2)', value: 12.34 },
  { name: 'a_string', type: 'STRING', value: 'é \'"; DROP' },
  { name: 'a_date', type: 'DATE', value: '2026-11-30' },
  { name: 'a_timestamp', type: 'TIMESTAMP', value: '2026-11-30T12:30:00.123456Z' },
  { name: 'a_zoned', type: 'TIMESTAMP', storage: 'TIMESTAMP WITH TIME ZONE', value: '2026-11-30T12:30:00Z' },
  { name: 'a_list', type: 'LIST', storage: 'DOUBLE[]', value: [1.5, null] },
  { name: 'some_bytes', type: 'BYTES', value: new Uint8Array([0, 255]) },
  { name: 'some_json', type: 'JSON', value: { a: [1, 'x'] } },
  {
    name: 'a struct',
    type: 'STRUCT',
    storage: 'STRUCT(a INTEGER, "b c" VARCHAR)',
    value: { a: 1, 'b c': 'x' },
  },
]
const inJson = (value: Value) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value)

/** Columns that files hold alike and the engine does not: of which type, made as what, asked for as what. */
export type AlikeStorages = readonly (readonly [type: ColumnType, made: string, asked: string])[]

export function testCreateTable(opened: () => Warehouse, { alike }: { alike: AlikeStorages }): void {
  const columns = (...names: string[]): NewColumn[] =>
    names.map((name) => ({ name, type: 'STRING', nullable: true }))
  const create = (table: NewTable) => opened().createTable(table)
  const refusal = (table: NewTable): Promise<AppError> =>
    create(table).then(
      () => expect.fail('The table was made'),
      (error: AppError) => error,
    )

  describe('createTable', () => {
    test('MUST make a table of every type, which takes and gives back a row', async () => {
      const asked = everyType.map(({ value: _, ...column }) => ({ ...column, nullable: true }))
      const table = {
        name: 'made_of_all',
        columns: [{ name: 'k', type: 'STRING', nullable: false }, ...asked],
      } as const
      const made = await create(table)
      expect(made).toMatchObject({ schema: 'feature_store', name: 'made_of_all', kind: 'TABLE' })
      expect(made.intake).toEqual({ defaults: [], computed: [], judged: expect.any(Array) })
      expect(made.columns.map(({ name }) => name)).toEqual(['k', ...asked.map(({ name }) => name)])
      expect(made.columns.map(({ nullable }) => nullable)).toEqual([false, ...asked.map(() => true)])
      for (const [i, { name, type }] of asked.entries()) {
        const found = made.columns[i + 1]?.type
        expect([type, type === 'STRUCT' && found === 'JSON' ? type : found], name).toEqual([type, type])
      }
      expect((await opened().tables()).find(({ name }) => name === 'made_of_all')).toMatchObject({
        columns: made.columns,
      })
      const row = Object.fromEntries(everyType.map(({ name, value }) => [name, inJson(value)]))
      await ingest(opened(), 'made_of_all', [{ k: 'full', ...row }, { k: 'empty' }])
      const sql = 'SELECT * FROM feature_store.made_of_all'
      const { rows } = await opened().lookup({ sql, key: ['k'], values: [['full']] })
      for (const [i, { name, value }] of everyType.entries()) {
        const found = rows[0]?.[i + 1]
        expect(found instanceof Uint8Array ? [...found] : found, name).toEqual(
          value instanceof Uint8Array ? [...value] : value,
        )
      }
    })

    test('MUST answer a table that is there as it is asked for, also to several who ask at once', async () => {
      const table = { name: 'made_twice', columns: columns('a', 'b') }
      const made = await Promise.all([create(table), create(table), create(table)])
      const again = await create(table)
      for (const each of made) expect(each.columns).toEqual(again.columns)
      expect((await opened().tables()).filter(({ name }) => name === 'made_twice')).toHaveLength(1)
    })

    test('MUST refuse one that differs with CONFLICT, and say in what', async () => {
      const asked = (...changed: NewColumn[]) => ({ name: 'made_otherwise', columns: changed })
      const [a, b] = columns('a', 'b') as [NewColumn, NewColumn]
      await create(asked(a, b))
      const cases: [NewTable, RegExp][] = [
        [asked(a), /has a column "b" besides/],
        [asked(a, b, ...columns('c')), /has no column "c"/],
        [asked(a, { ...b, type: 'INT64' }), /"b" is STRING, not INT64/],
        [asked(a, { ...b, type: 'INT64', storage: 'BIGINT' }), /"b" is STRING, not INT64/],
        [asked({ ...a, nullable: false }, b), /"a" may be null/],
        [asked(b, a), /order a, b/],
      ]
      for (const [table, message] of cases) {
        const error = await refusal(table)
        expect(error.code).toBe('CONFLICT')
        expect(error.message).toMatch(message)
      }
    })

    test.for(alike)('MUST hold a %s made as %s to what is asked for: %s', async ([type, made, asked]) => {
      const table = (storage?: string): NewTable => ({
        name: `made_as ${made}, not ${asked}`,
        columns: [{ name: 'a', type, nullable: true, ...(storage !== undefined && { storage }) }],
      })
      await create(table(made))
      const error = await refusal(table(asked))
      expect([error.code, error.message]).toEqual(['CONFLICT', expect.stringMatching(/"a" is .+, not /)])
      await create(table(made))
    })

    test('MUST make its schema where it is missing, and let statements read it', async () => {
      const made = await create({ schema: 'made_here', name: 'orders', columns: columns('id') })
      expect(made).toMatchObject({ schema: 'made_here', name: 'orders' })
      const { tables } = await opened().describe('SELECT id FROM made_here.orders')
      expect(tables).toEqual([{ schema: 'made_here', name: 'orders', columns: ['id'] }])
    })

    test('MUST take rows for a table of any schema, and tell of it by its name', async () => {
      await create({ schema: 'made_here', name: 'taken', columns: columns('k', 'other') })
      const { changes } = await ingest(opened(), 'made_here.taken', [{ k: 'a' }, { k: 'b' }])
      expect(changes).toEqual([
        { table: 'made_here.taken', keys: [{ columns: ['k'], values: [['a'], ['b']] }] },
      ])
      const sql = 'SELECT * FROM made_here.taken'
      const { rows } = await opened().lookup({ sql, key: ['k'], values: [['a'], ['x']] })
      expect(rows).toEqual([['a', null]])
    })

    test.for<[string, NewTable]>([
      ['a table without columns', { name: 'refused', columns: [] }],
      ['a table without a name', { name: '', columns: columns('a') }],
      ['a name that no server holds', { name: 'x'.repeat(64), columns: columns('a') }],
      ['two columns of one name', { name: 'refused', columns: columns('a', 'A') }],
      ['a column without a name', { name: 'refused', columns: columns('a', '') }],
      ['a control character', { name: 'refused', columns: columns('a\0') }],
      ['the gateway’s schema', { schema: 'gateway', name: 'refused', columns: columns('a') }],
      ['the engine’s schema', { schema: 'INFORMATION_SCHEMA', name: 'refused', columns: columns('a') }],
      ['a decimal of no scale', typed({ type: 'DECIMAL' })],
      ['a list of nothing', typed({ type: 'LIST' })],
      ['a storage that is no type', typed({ storage: 'SOMETHING' })],
      ['a storage of another type', typed({ type: 'INT64', storage: 'VARCHAR' })],
      ['a storage with a constraint', typed({ type: 'INT64', storage: 'BIGINT PRIMARY KEY' })],
      ['a storage with a default', typed({ storage: "VARCHAR DEFAULT 'x'" })],
      [
        'a storage that ends the statement',
        typed({ storage: 'VARCHAR); DROP TABLE feature_store.users; --' }),
      ],
      ['a storage with a column more', typed({ storage: 'VARCHAR, b VARCHAR' })],
      ['a field’s storage that is no type', typed({ type: 'LIST', storage: 'VARCHAR) AS x, (1[]' })],
    ])('MUST refuse %s with BAD_USER_INPUT, and make nothing', async ([, table]) => {
      const error = await refusal(table)
      expect([error.code, error.message]).toEqual(['BAD_USER_INPUT', error.message])
      expect((await opened().tables()).filter(({ name }) => name === 'refused')).toEqual([])
    })

    test('MUST take any name as a name', async () => {
      const name = 'made "of" \'signs\'; --'
      await create({ name, columns: columns('a "b"; --', 'select', '1') })
      const quoted = `feature_store."${name.replaceAll('"', '""')}"`
      const { columns: found } = await opened().describe(`SELECT * FROM ${quoted}`)
      expect(found.map((column) => column.name)).toEqual(['a "b"; --', 'select', '1'])
    })
  })
}

function typed(column: Partial<NewColumn>): NewTable {
  return { name: 'refused', columns: [{ name: 'a', type: 'STRING', nullable: true, ...column }] }
}
