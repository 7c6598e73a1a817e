// What the Trino warehouse reads without a server: its URL, the names of types, and the reserved words of a statement.

import { describe, expect, test } from 'vitest'
import { parseTrinoType } from '../../src/warehouse/trino/type-text.ts'
import { parseTrinoUrl } from '../../src/warehouse/trino/url.ts'
import { findReservedWords } from '../../src/warehouse/trino/words.ts'

describe('WAREHOUSE_URL for Trino', () => {
  test('names server, user, catalog and schema; the catalog of rows is the same unless it is named', () => {
    expect(parseTrinoUrl('trino://ann@host:9000/lake/sales')).toEqual({
      server: 'http://host:9000',
      user: 'ann',
      password: null,
      caFile: null,
      catalog: 'lake',
      schema: 'sales',
      rowsCatalog: 'lake',
    })
    expect(parseTrinoUrl('trino://ann:p%40ss@host/lake?tls=true&rows=db&ca=/ca.pem')).toEqual({
      server: 'https://host:443',
      user: 'ann',
      password: 'p@ss',
      caFile: '/ca.pem',
      catalog: 'lake',
      schema: null,
      rowsCatalog: 'db',
    })
  })

  test.for([
    ['trino://host:8080', /catalog/],
    ['trino://host/a/b/c', /catalog/],
    ['trino:///lake', /host/],
    ['trino://host/lake?ssl=true', /"ssl".*tls/],
    ['trino://host/lake?tls=yes', /tls/],
    ['trino://host/lake?ca=/ca.pem', /tls=true/],
    ['trino://ann:secret@host/lake', /\?tls=true/],
  ] as const)('%s is refused, without its password', ([url, message]) => {
    expect(() => parseTrinoUrl(url)).toThrow(message)
    expect(() => parseTrinoUrl(url)).not.toThrow(/secret/)
  })
})

test.for([
  ['varchar', { name: 'varchar', numbers: [], parts: [] }],
  ['decimal(4, 2)', { name: 'decimal', numbers: [4, 2], parts: [] }],
  ['timestamp(6) with time zone', { name: 'timestamp with time zone', numbers: [6], parts: [] }],
  ['INTERVAL DAY TO SECOND', { name: 'interval day to second', numbers: [], parts: [] }],
  [
    'map(varchar(3), array(bigint))',
    {
      name: 'map',
      numbers: [],
      parts: [
        { name: null, type: { name: 'varchar', numbers: [3], parts: [] } },
        {
          name: null,
          type: {
            name: 'array',
            numbers: [],
            parts: [{ name: null, type: { name: 'bigint', numbers: [], parts: [] } }],
          },
        },
      ],
    },
  ],
  [
    'row(integer, time time(3) with time zone, "a ""b" timestamp(3), interval interval year to month)',
    {
      name: 'row',
      numbers: [],
      parts: [
        { name: null, type: { name: 'integer', numbers: [], parts: [] } },
        { name: 'time', type: { name: 'time with time zone', numbers: [3], parts: [] } },
        { name: 'a "b', type: { name: 'timestamp', numbers: [3], parts: [] } },
        { name: 'interval', type: { name: 'interval year to month', numbers: [], parts: [] } },
      ],
    },
  ],
] as const)('the type %s is read into its parts', ([text, type]) => {
  expect(parseTrinoType(text)).toEqual(type)
})

describe('reserved words', () => {
  const nothing = {
    clock: null,
    setting: null,
    hasTableFunction: false,
    hasSample: false,
    mayHaveLimit: false,
  }

  test.for([
    `SELECT 'current_date', "current_user", 'it''s TABLE(x) LIMIT 1' FROM t -- TABLE(x)`,
    '/* current_date */ SELECT a.current FROM t',
    'TABLE users',
    'SELECT tablesample FROM t',
  ])('are not those in texts, names and comments: %s', (sql) => {
    expect(findReservedWords(sql)).toEqual(nothing)
  })

  test.for([
    ['SELECT Current_Date', { clock: 'current_date' }],
    ["SELECT '--' || current_timestamp(3)", { clock: 'current_timestamp' }],
    ['SELECT 1 WHERE current_user=name', { setting: 'current_user' }],
    ['SELECT * FROM TABLE\n-- of a function\n(f(1))', { hasTableFunction: true }],
    ["SELECT '/*' FROM TABLE(f('*/'))", { hasTableFunction: true }],
    ['SELECT * FROM t TABLESAMPLE SYSTEM (1)', { hasSample: true }],
    ['SELECT * FROM t FETCH FIRST 2 ROWS ONLY', { mayHaveLimit: true }],
  ] as const)('are found wherever they stand: %s', ([sql, expected]) => {
    expect(findReservedWords(sql)).toEqual({ ...nothing, ...expected })
  })
})
