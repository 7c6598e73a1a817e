// An application's rows: what each column type takes, what it refuses and how that is told, and that rows survive their storage.

import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import {
  assertTaken,
  checkRows,
  findIngestTable,
  maxRows,
  packRows,
  unpackRows,
} from '../../src/publish/ingest.ts'
import type { Column, ColumnType, Row, Value } from '../../src/values/columns.ts'
import type { TableRows, WarehouseTable } from '../../src/warehouse/port.ts'

function column(name: string, type: ColumnType, storage: string, nullable = true): Column {
  return { name, type, nullable, storage }
}

function tableOf(name: string, columns: readonly Column[]): WarehouseTable {
  return { schema: 'feature_store', name, kind: 'TABLE', rowEstimate: null, columns }
}

const users: WarehouseTable = {
  ...tableOf('users', [
    column('user_id', 'STRING', 'VARCHAR', false),
    column('name', 'STRING', 'VARCHAR'),
    column('creation_date', 'FLOAT64', 'DOUBLE'),
    column('active', 'BOOLEAN', 'BOOLEAN'),
  ]),
  intake: { defaults: [], computed: [], judged: [] },
}

async function read(type: ColumnType, storage: string, given: unknown): Promise<Value | undefined> {
  return rowsOf(await checkRows(tableOf('t', [column('c', type, storage)]), [{ c: given }]))[0]?.[0]
}

function rowsOf({ parts }: Awaited<ReturnType<typeof checkRows>>): Row[] {
  return parts.flatMap(({ rows }) => rows)
}

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  const failure = await promise.then(
    () => null,
    (error: unknown) => error,
  )
  if (failure instanceof AppError) return failure
  throw new Error(`expected an AppError, got ${String(failure)}`)
}

const taken: [ColumnType, string, unknown, Value][] = [
  ['BOOLEAN', 'BOOLEAN', false, false],
  ['INT32', 'INTEGER', -2147483648, -2147483648],
  ['INT64', 'BIGINT', 9007199254740991, 9007199254740991],
  ['INT64', 'BIGINT', '9007199254740993', 9007199254740993n],
  ['INT64', 'BIGINT', '-9223372036854775808', -(2n ** 63n)],
  ['INT64', 'BIGINT', 9007199254740993n, 9007199254740993n],
  ['FLOAT64', 'DOUBLE', 1.5e300, 1.5e300],
  ['FLOAT64', 'DOUBLE', 3, 3],
  ['DECIMAL', 'DECIMAL(18,3)', 12.345, 12.345],
  ['DECIMAL', 'DECIMAL(18,3)', '12.340', 12.34],
  ['DECIMAL', 'DECIMAL(38,10)', '1234567890123456789.0123456789', '1234567890123456789.0123456789'],
  ['STRING', 'VARCHAR', "' OR 1=1 -- 🦊 0012", "' OR 1=1 -- 🦊 0012"],
  ['STRING', 'VARCHAR', '', ''],
  ['BYTES', 'BLOB', 'AP8=', new Uint8Array([0, 255])],
  ['DATE', 'DATE', '2024-02-29', '2024-02-29'],
  ['TIMESTAMP', 'TIMESTAMP', '2026-11-23T09:30:00.123456Z', '2026-11-23T09:30:00.123456Z'],
  ['TIMESTAMP', 'TIMESTAMP', '2026-11-23T09:30:00.5+02:00', '2026-11-23T07:30:00.500Z'],
  ['TIMESTAMP', 'TIMESTAMP', '1969-12-31T23:59:59.000001Z', '1969-12-31T23:59:59.000001Z'],
  ['TIMESTAMP', 'TIMESTAMP', 'infinity', 'infinity'],
  ['TIMESTAMP', 'TIMESTAMP', '-000043-03-15T00:00:00Z', '-000043-03-15T00:00:00Z'],
  ['DATE', 'DATE', '-infinity', '-infinity'],
  ['DATE', 'DATE', '+012026-01-02', '+012026-01-02'],
  ['FLOAT64', 'FLOAT', 0.1, 0.1],
  ['DECIMAL', 'DECIMAL(20,10)', '0.0000001', 1e-7],
  ['DECIMAL', 'DECIMAL(20,10)', 1e-7, 1e-7],
  ['DECIMAL', 'DECIMAL(38,38)', '-1e-38', -1e-38],
  ['DECIMAL', 'DECIMAL(38,0)', 1e21, '1000000000000000000000'],
  ['DECIMAL', 'DECIMAL(38,0)', '1.2e3', 1200],
  ['LIST', 'INTEGER[]', [1, null], [1, null]],
  ['LIST', 'BIGINT[]', ['9007199254740993'], [9007199254740993n]],
  ['LIST', 'STRUCT("a" BLOB)[]', [{ a: 'AP8=' }, null], [{ a: new Uint8Array([0, 255]) }, null]],
  ['STRUCT', 'STRUCT(a INTEGER)', { a: 1 }, { a: 1 }],
  ['STRUCT', 'STRUCT("a ""b" DECIMAL(4,1)[], "c" DATE)', { 'a "b': ['1.5'] }, { 'a "b': [1.5], c: null }],
  ['JSON', 'JSON', [{ a: null }], [{ a: null }]],
  ['JSON', 'JSON', { a: 1e300 }, { a: 1e300 }],
]

const refused: [ColumnType, string, unknown][] = [
  ['BOOLEAN', 'BOOLEAN', 'true'],
  ['BOOLEAN', 'BOOLEAN', 1],
  ['INT32', 'INTEGER', 2147483648],
  ['INT32', 'SMALLINT', 40_000],
  ['INT32', 'INTEGER', 1.5],
  ['INT32', 'INTEGER', '7'],
  ['INT64', 'BIGINT', 9007199254740992],
  ['INT64', 'BIGINT', '9223372036854775808'],
  ['INT64', 'BIGINT', '0012'],
  ['INT64', 'BIGINT', ' 12'],
  ['FLOAT64', 'DOUBLE', '1.5'],
  ['FLOAT64', 'DOUBLE', Number.NaN],
  ['DECIMAL', 'DECIMAL(6,2)', '1.234'],
  ['DECIMAL', 'DECIMAL(6,2)', 12345],
  ['DECIMAL', 'DECIMAL(6,2)', 'twelve'],
  ['STRING', 'VARCHAR', 12],
  ['STRING', 'VARCHAR', '\ud800'],
  ['STRING', 'VARCHAR', ['a']],
  ['BYTES', 'BLOB', 'not base64!'],
  ['DATE', 'DATE', '2026-02-30'],
  ['DATE', 'DATE', '23.11.2026'],
  ['TIMESTAMP', 'TIMESTAMP', '2026-11-23 09:30'],
  ['TIMESTAMP', 'TIMESTAMP', '2026-11-23T09:30:00'],
  ['TIMESTAMP', 'TIMESTAMP', '2026-11-23T09:30:00.1234567Z'],
  ['TIMESTAMP', 'TIMESTAMP', 1_700_000_000],
  ['LIST', 'INTEGER[]', { 0: 1 }],
  ['STRUCT', 'STRUCT(a INTEGER)', [1]],
  ['TIMESTAMP', 'TIMESTAMP', '+300000-01-01T00:00:00Z'],
  ['FLOAT64', 'FLOAT', 1e300],
  ['FLOAT64', 'FLOAT', 1e-60],
  ['DECIMAL', 'DECIMAL(20,10)', 1e-11],
  ['DECIMAL', 'DECIMAL(20,10)', '1e10'],
  ['DECIMAL', 'DECIMAL(20,10)', '1e'],
  ['LIST', 'INTEGER[]', [1, 'x']],
  ['LIST', 'BIGINT[][]', [[1], 2]],
  ['STRUCT', 'STRUCT(a INTEGER)', { a: '1' }],
  ['STRUCT', 'STRUCT(a INTEGER)', { b: 1 }],
  ['JSON', 'JSON', { a: [2 ** 53] }],
]

describe('cells', () => {
  for (const [type, storage, given, value] of taken) {
    it(`of ${storage} take ${typeof given} ${String(given)}`, async () => {
      expect(await read(type, storage, given)).toEqual(value)
    })
  }

  for (const [type, storage, given] of refused) {
    it(`of ${storage} refuse ${typeof given} ${String(given)}`, async () => {
      expect(await failureOf(read(type, storage, given))).toMatchObject({ code: 'BAD_USER_INPUT' })
    })
  }

  it('within lists and objects are told by their place', async () => {
    const failure = await failureOf(read('LIST', 'STRUCT("a" DATE[])[]', [{ a: ['2026-01-01', 'soon'] }]))
    expect(failure.message).toContain(
      'as item 0 of the list as field "a" of the object as item 1 of the list',
    )
  })

  it('that are missing or null are null', async () => {
    for (const [type, storage] of taken) {
      expect(await read(type, storage, null)).toBeNull()
      expect(rowsOf(await checkRows(tableOf('t', [column('c', type, storage)]), [{}]))).toEqual([[null]])
    }
  })
})

describe('rows', () => {
  it('come in the order of the columns, whatever order they were given in', async () => {
    const checked = await checkRows(users, [
      { active: true, user_id: 'u1' },
      { creation_date: 1.5, user_id: 'u2' },
    ])
    expect(rowsOf(checked)).toEqual([
      ['u1', null, null, true],
      ['u2', null, 1.5, null],
    ])
  })

  const filled: WarehouseTable = {
    ...users,
    columns: [
      ...users.columns,
      column('made_at', 'TIMESTAMP', 'TIMESTAMP'),
      column('area', 'FLOAT64', 'DOUBLE'),
    ],
    intake: { defaults: ['made_at', 'creation_date'], computed: ['area'], judged: [] },
  }

  it('leave columns with a default to the table, each row those that it does not bring', async () => {
    const { parts } = await checkRows(filled, [
      { user_id: 'u1' },
      { user_id: 'u2', made_at: null },
      { user_id: 'u3', name: 'Ada' },
    ])
    expect(parts).toEqual([
      {
        table: 'users',
        columns: ['user_id', 'name', 'active'],
        rows: [
          ['u1', null, null],
          ['u3', 'Ada', null],
        ],
        places: [0, 2],
      },
      {
        table: 'users',
        columns: ['user_id', 'name', 'active', 'made_at'],
        rows: [['u2', null, null, null]],
        places: [1],
      },
    ])
  })

  it('may not bring a column that the table computes', async () => {
    const failure = await failureOf(checkRows(filled, [{ user_id: 'u1', area: 2 }]))
    expect(failure.message).toContain('column "area": given a column that the table computes by itself')
  })

  it('that the warehouse does not take are told with their own row', async () => {
    const checked = await checkRows(filled, [{ user_id: 'u1' }, { user_id: 'u2', made_at: null }])
    const findMisfit = async ({ columns }: TableRows) =>
      columns.includes('made_at') ? { row: 0, column: 'user_id', reason: 'no UUID' } : null
    expect((await failureOf(assertTaken({ findMisfit }, filled, checked))).details).toEqual({
      faults: [
        {
          row: 1,
          column: 'user_id',
          given: 'the text "u2"',
          expected: 'what the warehouse takes for the column (no UUID)',
        },
      ],
      faultCount: 1,
    })
  })

  it('that are faulty are told with row, column, what was given and what would be right', async () => {
    const failure = await failureOf(
      checkRows(users, [
        { user_id: 'u1', name: 12 },
        { user_id: 'u2', nickname: 'x' },
        'u3',
        { name: 'no id' },
        { user_id: 'u5', creation_date: 'yesterday' },
      ]),
    )
    expect(failure.code).toBe('BAD_USER_INPUT')
    expect(failure.message).toContain('Nothing was written: 5 faults in 5 rows for feature_store.users')
    expect(failure.message).toContain('row 0, column "name": given the number 12, expected text')
    expect(failure.details).toMatchObject({
      faultCount: 5,
      faults: [
        { row: 0, column: 'name', given: 'the number 12' },
        { row: 1, column: 'nickname', expected: 'one of user_id, name, creation_date, active' },
        { row: 2, column: null, given: 'the text "u3"' },
        { row: 3, column: 'user_id', given: 'nothing' },
        {
          row: 4,
          column: 'creation_date',
          given: 'the text "yesterday"',
          expected: expect.stringMatching(/^a finite number/),
        },
      ],
    })
  })

  it('are told of long whole numbers what was sent, which may have been a number', async () => {
    const failure = await failureOf(
      checkRows(users, [{ user_id: 'u1', creation_date: '809191427645181212' }]),
    )
    expect(failure.message).toContain(
      'given 809191427645181212, as a number or as text, expected a finite number',
    )
  })

  it('list the first ten faults and count the rest', async () => {
    const failure = await failureOf(
      checkRows(
        users,
        Array.from({ length: 25 }, () => ({ user_id: 1 })),
      ),
    )
    expect(failure.details).toMatchObject({ faultCount: 25 })
    expect(failure.details?.faults).toHaveLength(10)
    expect(failure.message).toContain('and 15 more')
  })

  it('must be a list of at least one', async () => {
    for (const given of [[], null, undefined, 'x', { user_id: 'u1' }, 3]) {
      expect(await failureOf(checkRows(users, given))).toMatchObject({ code: 'BAD_USER_INPUT' })
    }
  })

  it('are refused when they are too many or too large for one call', async () => {
    const many = Array.from({ length: maxRows + 1 }, () => ({ user_id: 'u' }))
    expect(await failureOf(checkRows(users, many))).toMatchObject({ code: 'TOO_LARGE' })
    const large = Array.from({ length: 40 }, () => ({ user_id: 'x'.repeat(1024 * 1024) }))
    expect(await failureOf(checkRows(users, large))).toMatchObject({ code: 'TOO_LARGE' })
  })

  it('never reach through names that every object has', async () => {
    const failure = await failureOf(
      checkRows(users, [JSON.parse('{"user_id":"u1","__proto__":{"name":"x"}}')]),
    )
    expect(failure.message).toContain('"__proto__"')
    const named = tableOf('t', [column('toString', 'STRING', 'VARCHAR')])
    expect(rowsOf(await checkRows(named, [{}]))).toEqual([[null]])
  })

  it('come back from storage as they were checked', async () => {
    const columns = taken.map(([type, storage], i) => column(`c${i}`, type, storage))
    const table = tableOf('all_types', columns)
    const given = Object.fromEntries(taken.map(([, , cell], i) => [`c${i}`, cell]))
    const checked = await checkRows(table, [given, {}])
    const { parts, inBatches } = await unpackRows(table, await packRows(checked))
    expect(inBatches).toBe(false)
    expect(parts).toEqual(checked.parts.map(({ places: _, ...part }) => part))
    expect(parts[0]?.columns).toEqual(table.columns.map(({ name }) => name))
  })

  it('that wait while their table changes are told apart, not written wrongly', async () => {
    const payload = await packRows(await checkRows(users, [{ user_id: 'u1', name: 'Ada' }]))
    const renamed = { ...users, columns: users.columns.filter(({ name }) => name !== 'name') }
    expect(await failureOf(unpackRows(renamed, payload))).toMatchObject({ code: 'SCHEMA_MISMATCH' })
    const retyped = { ...users, columns: users.columns.map(({ name }) => column(name, 'INT64', 'BIGINT')) }
    expect(await failureOf(unpackRows(retyped, payload))).toMatchObject({ code: 'SCHEMA_MISMATCH' })
  })
})

describe('tables', () => {
  const { intake: _, ...closed } = users
  const tables = [
    users,
    { ...users, name: 'quotes' },
    { ...users, schema: 'sales', name: 'Orders' },
    { ...closed, schema: 'files', name: 'flights' },
    { ...closed, name: 'a_view' },
  ]

  it('are found by their name alone or with their schema', () => {
    expect(findIngestTable(tables, 'users')).toBe(users)
    expect(findIngestTable(tables, 'feature_store.users')).toBe(users)
    for (const name of ['sales.Orders', 'sales."Orders"'])
      expect(findIngestTable(tables, name).schema).toBe('sales')
  })

  it('that take no rows are answered with those that do', () => {
    for (const name of ['people', 'files.flights', 'flights', 'Orders', 'a_view', '']) {
      expect(() => findIngestTable(tables, name)).toThrow('These take rows: quotes, sales."Orders", users.')
    }
  })
})
