// PostgreSQL with tables of its user's own: what the server makes of keys, and what triggers, rules and partitions do beside.

import { testOwnTables } from '../contract/own-tables.ts'
import { startPostgres } from '../servers/postgres.ts'
import { createPostgresWarehouseFolder } from './open-postgres.ts'
import { keys, types, uuid } from './postgres-own-keys.ts'
import { values } from './postgres-values.ts'

const misfits: readonly { column: string; type: string; good: unknown; bad: unknown }[] = [
  { column: 'a_uuid', type: 'uuid', good: uuid, bad: 'a0eebc99' },
  { column: 'a_time', type: 'time', good: '03:04:05', bad: '25:00:00' },
  { column: 'an_interval', type: 'interval', good: '1 month', bad: '1 mond' },
  { column: 'a_varchar', type: 'varchar(3)', good: 'abc  ', bad: 'abcd' },
  { column: 'a_numeric', type: 'numeric', good: '1e-8', bad: 'one' },
  { column: 'some_hundreds', type: 'numeric(2,-2)', good: 1234, bad: 9999 },
  { column: 'a_bit', type: 'bit(3)', good: '101', bad: '01' },
  { column: 'an_enum', type: 'mood', good: 'sad', bad: 'so so' },
  { column: 'a_domain', type: 'positive', good: 5, bad: -5 },
  { column: 'a_list', type: 'uuid[]', good: [uuid, null], bad: [uuid, 'x'] },
  { column: 'a_composite', type: 'pair', good: { a: 1, b: 'x' }, bad: { a: 'x' } },
  { column: 'some_pairs', type: 'pair[]', good: [{ a: 1, b: null }, null], bad: [{ a: 'x' }] },
  { column: 'an_address', type: 'inet', good: '10.0.0.1', bad: '10.0.0.256' },
  { column: 'a_range', type: 'int4range', good: '[1,5)', bad: '[5,1)' },
  { column: 'an_oid', type: 'oid', good: 7, bad: 4_294_967_296 },
  { column: 'a_jsonb', type: 'jsonb', good: { a: 'é' }, bad: { a: '\0' } },
  { column: 'an_early_day', type: 'date', good: '-004000-01-01', bad: '-006000-01-01' },
  { column: 'an_integer', type: 'int', good: 1, bad: 1.5 },
]

/** Beside those that reading knows. */
const further = [
  { sql: "TIMETZ '03:04:05+02'", type: 'STRING', value: '03:04:05+02' },
  { sql: "'$1.50'::money", type: 'STRING', value: '$1.50' },
  { sql: "'08:00:2b:01:02:03'::macaddr", type: 'STRING', value: '08:00:2b:01:02:03' },
  { sql: "'((0,0),(1,1))'::path", type: 'STRING', value: '((0,0),(1,1))' },
  { sql: "'(1,2)'::point", type: 'STRING', value: '(1,2)' },
  { sql: "'a b'::tsvector", type: 'STRING', value: "'a' 'b'" },
  { sql: "'{[1,2)}'::int4multirange", type: 'STRING', value: '{[1,2)}' },
  { sql: "'0/10'::pg_lsn", type: 'STRING', value: '0/10' },
] as const

/** A row without a type is of no table's column. */
const stored = [...values, ...further].filter(({ sql }) => !/ROW(?!.*::pair)|SELECT q /.test(sql))

testOwnTables('PostgreSQL', async () => {
  const server = await startPostgres()
  const columns = misfits.map(({ column, type }) => `${column} ${type}`).join(', ')
  const expressions = stored.map(({ sql }, i) => `${sql} AS v${i}`).join(', ')
  const { datasetsFolder, open, remove } = await createPostgresWarehouseFolder(
    server.url,
    [
      types,
      ...keys.map(({ ddl }) => ddl),
      'CREATE TABLE constrained (k text, v int CHECK (v > 0))',
      `CREATE TABLE misfits (${columns})`,
      `CREATE TABLE every_type AS SELECT '' AS id, ${expressions} LIMIT 0`,
    ].join(';\n'),
  )
  return {
    open,
    async remove() {
      await server.stop()
      await remove()
    },
    datasetsFolder,
    values: stored,
    keys,
    misfits,
    constrained: { good: { k: 'x', v: 1 }, bad: { k: 'x', v: -1 } },
  }
})
