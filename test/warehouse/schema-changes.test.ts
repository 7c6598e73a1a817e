// Schemas that change under planned statements: mounted files on DuckDB, tables and views on PostgreSQL.

import { randomInt } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createParquetEngine, type ParquetEngine } from '../../src/parquet/engine.ts'
import type { Warehouse } from '../../src/warehouse/port.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { tries } from '../thorough.ts'
import { createWarehouseFolder } from './open-duckdb.ts'
import { createPostgresWarehouseFolder, execute } from './open-postgres.ts'
import { type ChangingTable, changeInTurn, changeMeanwhile, type Variant } from './schema-changes.ts'

const openParquet = (folder: string) =>
  createParquetEngine({ folders: [folder], memoryMb: 512, temporaryFolder: folder })

const order = (parts: readonly string[]) => (randomInt(2) === 0 ? parts : parts.toReversed())

describe('files on DuckDB', () => {
  let subject: Awaited<ReturnType<typeof createWarehouseFolder>>
  let warehouse: Warehouse
  let parquet: ParquetEngine
  let mounted: string

  async function replace(name: string, content: string) {
    await writeFile(join(subject.folder, name), content)
    await rename(join(subject.folder, name), join(mounted, name))
  }

  beforeAll(async () => {
    subject = await createWarehouseFolder()
    mounted = join(subject.folder, 'mounted')
    await mkdir(mounted)
    for (const name of ['turn', 'meanwhile', 'grow']) await replace(`${name}.csv`, 'k,n\na,1\n')
    await replace('lines.ndjson', '{"k":"a","n":1}\n')
    warehouse = await subject.open({ files: [mounted] })
    parquet = await openParquet(subject.datasetsFolder)
  })

  afterAll(async () => {
    await parquet?.close()
    await warehouse?.close()
    await subject?.remove()
  })

  const csv = (name: string): ChangingTable<Variant & { cell: string }> => ({
    warehouse,
    parquet,
    folder: subject.datasetsFolder,
    sql: `SELECT * FROM files.${name}`,
    variants: [
      { type: 'INT64', value: 1, cell: '1' },
      { type: 'FLOAT64', value: 1.5, cell: '1.5' },
      { type: 'STRING', value: 'one', cell: 'one' },
      { type: 'DATE', value: '2026-01-02', cell: '2026-01-02' },
      { type: 'BOOLEAN', value: true, cell: 'true' },
    ],
    async change({ cell }) {
      const columns = order(randomInt(2) === 0 ? ['k', 'n'] : ['k', 'more', 'n'])
      const cells = columns.map((column) => ({ k: 'a', n: cell, more: 'x' })[column])
      await replace(`${name}.csv`, `${columns.join(',')}\n${cells.join(',')}\n`)
    },
  })

  const ndjson = (): ChangingTable<Variant> => ({
    ...csv('lines'),
    sql: 'SELECT k, n FROM files.lines',
    variants: [
      { type: 'INT64', value: 1 },
      { type: 'FLOAT64', value: 1.5 },
      { type: 'STRING', value: 'one' },
      { type: 'LIST', value: [1, 2] },
      { type: 'STRUCT', value: { x: 'y' } },
    ],
    change: ({ value }) => replace('lines.ndjson', `${JSON.stringify({ k: 'a', n: value })}\n`),
  })

  test('give the value and the type of now, and a saved query what it was saved with or SCHEMA_MISMATCH', async ({
    signal,
  }) => {
    const options = { steps: tries({ all: 16, part: 8 }), signal }
    const statements = (await changeInTurn(csv('turn'), options)) + (await changeInTurn(ndjson(), options))
    console.info(`files: ${statements} statements`)
  })

  test('that change while they are read are read as they are told to be', async ({ signal }) => {
    const counts = await changeMeanwhile(csv('meanwhile'), { answers: tries({ all: 50, part: 20 }), signal })
    console.info(`files: ${JSON.stringify(counts)}`)
  })

  test('that only grow are read as ever', async () => {
    const table = csv('grow')
    await table.change({ type: 'INT64', value: 1, cell: '1' })
    const { columns } = await warehouse.describe(table.sql)
    for (let rows = 1; rows < 30; rows++) {
      const names = columns.map(({ name }) => name)
      const lines = Array.from({ length: rows }, () =>
        names.map((name) => ({ k: 'a', n: '1', more: 'x' })[name]).join(','),
      )
      await replace('grow.csv', `${names.join(',')}\n${lines.join('\n')}\n`)
      const request = { sql: table.sql, saved: columns, key: ['k'], values: [['a']] }
      expect((await warehouse.lookup(request)).rows).toHaveLength(rows)
    }
  })
})

describe('tables on PostgreSQL', () => {
  let server: PostgresServer
  let subject: Awaited<ReturnType<typeof createPostgresWarehouseFolder>>
  let warehouse: Warehouse
  let parquet: ParquetEngine

  beforeAll(async () => {
    server = await startPostgres()
    subject = await createPostgresWarehouseFolder(server.url)
    warehouse = await subject.open()
    parquet = await openParquet(subject.datasetsFolder)
  })

  afterAll(async () => {
    await parquet?.close()
    await warehouse?.close()
    await server?.stop()
    await subject?.remove()
  })

  type SqlVariant = Variant & { column: string; cell: string }

  const variants: readonly SqlVariant[] = [
    { type: 'INT32', value: 7, column: 'int', cell: '7' },
    { type: 'STRING', value: 'seven', column: 'text', cell: "'seven'" },
    { type: 'INT64', value: 8, column: 'int8', cell: '8' },
    { type: 'DECIMAL', value: 7.25, column: 'numeric(10,2)', cell: '7.25' },
    { type: 'LIST', value: [7], column: 'int[]', cell: "'{7}'" },
    { type: 'LIST', value: ['seven'], column: 'text[]', cell: "'{seven}'" },
    { type: 'FLOAT64', value: 7.5, column: 'float8', cell: '7.5' },
    { type: 'BOOLEAN', value: true, column: 'bool', cell: 'true' },
    { type: 'DATE', value: '2026-01-02', column: 'date', cell: "'2026-01-02'" },
    { type: 'STRING', value: '1 day', column: 'interval', cell: "'1 day'" },
    { type: 'STRING', value: 'ab', column: 'char(5)', cell: "'ab'" },
    { type: 'LIST', value: [7.125], column: 'numeric(10,3)[]', cell: "'{7.125}'" },
  ]

  const common = () => ({ warehouse, parquet, folder: subject.datasetsFolder, variants })

  /** Made anew, so that its place among the columns changes too. */
  const table = (name: string): ChangingTable<SqlVariant> => ({
    ...common(),
    sql: `SELECT * FROM ${name}`,
    async change({ column, cell }) {
      const columns = order(
        randomInt(2) === 0 ? ['k text', `n ${column}`] : ['k text', 'more int', `n ${column}`],
      )
      await execute(
        server.url,
        `BEGIN; CREATE TABLE IF NOT EXISTS ${name} (k text, n int); LOCK TABLE ${name};
         ALTER TABLE ${name} ${['k', 'n', 'more'].map((each) => `DROP COLUMN IF EXISTS ${each}`).join(', ')};
         ALTER TABLE ${name} ${columns.map((each) => `ADD COLUMN ${each}`).join(', ')};
         DELETE FROM ${name}; INSERT INTO ${name} (k, n) VALUES ('a', ${cell}); COMMIT`,
      )
    },
  })

  const view: ChangingTable<SqlVariant>['change'] = async ({ column, cell }) => {
    const columns = order(["'a'::text AS k", `${cell}::${column} AS n`])
    await execute(
      server.url,
      `BEGIN; DROP VIEW IF EXISTS shown; CREATE VIEW shown AS SELECT ${columns.join(', ')}; COMMIT`,
    )
  }

  test('give the value and the type of now, and a saved query what it was saved with or SCHEMA_MISMATCH', async ({
    signal,
  }) => {
    const shown = { ...common(), sql: 'SELECT * FROM shown', change: view }
    const ofTable = await changeInTurn(table('changing'), { steps: tries({ all: 16, part: 8 }), signal })
    const ofView = await changeInTurn(shown, { steps: tries({ all: 16, part: 8 }), signal })
    console.info(`tables and views: ${ofTable + ofView} statements`)
  })

  test('that change while they are read are read as they are told to be', async ({ signal }) => {
    const meanwhile = table('meanwhile')
    await meanwhile.change(variants[0] ?? { type: '', value: 0, column: 'int', cell: '7' })
    const counts = await changeMeanwhile(meanwhile, { answers: tries({ all: 50, part: 20 }), signal })
    console.info(`tables: ${JSON.stringify(counts)}`)
  })
})
