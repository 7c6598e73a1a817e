// Trino with tables of its user's own: each is a table of the schema `gateway`, and the view of feature_store over it.

import { type OwnKey, testOwnTables } from '../contract/own-tables.ts'
import { createTrinoFolder, execute, trinoUrl } from './open.ts'
import { values } from './values.ts'

const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
const catalog = 'own'

/** The columns of a table for each. */
const keys: readonly (OwnKey & { columns: string })[] = [
  {
    name: 'k_uuid',
    columns: 'k uuid, v integer',
    rows: [{ k: uuid.toUpperCase() }, { k: uuid }, { k: null }],
    stored: [uuid],
  },
  { name: 'k_char', columns: 'k char(4)', rows: [{ k: 'ab ' }, { k: 'c' }], stored: ['ab', 'c'] },
  { name: 'k_varchar', columns: 'k varchar(3)', rows: [{ k: 'abc' }, { k: 'a ' }], stored: ['abc', 'a '] },
  {
    name: 'k_seconds',
    columns: 'k timestamp(0)',
    rows: [{ k: '2026-01-02T03:04:05.4Z' }, { k: '2026-01-02T03:04:05.5Z' }],
    stored: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z'],
  },
  {
    name: 'k_moment',
    columns: 'k timestamp(3) with time zone',
    rows: [{ k: '2026-01-02T05:04:05.0006+02:00' }],
    stored: ['2026-01-02T03:04:05.001Z'],
  },
  { name: 'k_decimal', columns: 'k decimal(9,2)', rows: [{ k: '1.50' }, { k: 1.5 }], stored: [1.5] },
  { name: 'k_real', columns: 'k real', rows: [{ k: 0.1 }], stored: [Math.fround(0.1)] },
  { name: 'k_bigint', columns: 'k bigint', rows: [{ k: '9007199254740993' }], stored: [9007199254740993n] },
  { name: 'k_text', columns: 'k varchar, v integer', rows: [{ k: 'x ' }, { v: 1 }], stored: ['x '] },
  { name: 'k_left_out', columns: 'k uuid, v integer', rows: [{ v: 1 }], stored: [] },
]

const misfits: readonly { column: string; type: string; good: unknown; bad: unknown }[] = [
  { column: 'a_uuid', type: 'uuid', good: uuid, bad: 'a0eebc99' },
  { column: 'a_time', type: 'time(6)', good: '03:04:05.000001', bad: '25:00:00' },
  { column: 'a_varchar', type: 'varchar(3)', good: 'abc', bad: 'abcd' },
  { column: 'an_address', type: 'ipaddress', good: '10.0.0.1', bad: '10.0.0.256' },
  { column: 'a_list', type: 'array(uuid)', good: [uuid, null], bad: [uuid, 'x'] },
  { column: 'a_map', type: 'map(integer, bigint)', good: { 1: 2 }, bad: { a: 2 } },
  { column: 'a_row', type: 'row(u uuid)', good: { u: uuid }, bad: { u: 'x' } },
  { column: 'a_moment', type: 'timestamp(6)', good: '2026-01-02T03:04:05Z', bad: 'infinity' },
  { column: 'an_integer', type: 'integer', good: 1, bad: 1.5 },
]

const constrained = { good: { k: 'x', v: 1 }, bad: { k: null, v: 1 } }

async function createTable(name: string, columns: string, names: readonly string[]) {
  await execute(catalog, `CREATE TABLE gateway.${name} (${columns}, append_id varchar)`)
  const list = names.map((each) => `"${each}"`).join(', ')
  await execute(
    catalog,
    `CREATE VIEW feature_store.${name} AS SELECT ${list} FROM gateway.${name}
     WHERE append_id IN (SELECT min(append_id) FROM gateway.ledger GROUP BY job_id, batch)`,
  )
}

testOwnTables('Trino', async () => {
  const { datasetsFolder, open, remove } = await createTrinoFolder()
  const url = trinoUrl(catalog)
  await (await open(url)).close()
  for (const { name, columns } of keys)
    await createTable(
      name,
      columns,
      columns.split(', ').map((column) => column.split(' ')[0] ?? ''),
    )
  const list = misfits.map(({ column, type }) => `${column} ${type}`).join(', ')
  await createTable(
    'misfits',
    list,
    misfits.map(({ column }) => column),
  )
  await createTable('constrained', 'k varchar NOT NULL, v integer', ['k', 'v'])
  // A null without a type is of no table's column.
  const stored = values.filter(({ sql }) => sql !== 'NULL')
  const expressions = stored.map(({ sql }, i) => `${sql} AS v${i}`)
  await execute(
    catalog,
    `CREATE TABLE gateway.every_type AS SELECT CAST('' AS varchar) AS id, ${expressions.join(', ')}, CAST('' AS varchar) AS append_id WHERE false`,
  )
  const columns = ['id', ...stored.map((_, i) => `v${i}`)].join(', ')
  await execute(
    catalog,
    `CREATE VIEW feature_store.every_type AS SELECT ${columns} FROM gateway.every_type
     WHERE append_id IN (SELECT min(append_id) FROM gateway.ledger GROUP BY job_id, batch)`,
  )
  return { open: () => open(url), remove, datasetsFolder, values: stored, keys, misfits, constrained }
})
