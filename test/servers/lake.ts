// Tables of lakehouses as their own libraries write them, and the engine's extensions as PyPI has them.

import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance, version } from '@duckdb/node-api'
import { freePort, startChild } from './child.ts'
import { preparePython } from './python.ts'

const run = promisify(execFile)
const names = ['avro', 'delta', 'iceberg', 'ducklake', 'httpfs'] as const

const wheels = names.map((name) => `duckdb-extension-${name}==${version().slice(1)}`)
const libraries = ['deltalake==1.6.6', 'pyiceberg[pyarrow,sql-sqlite]==0.12.0', 'moto[server]==5.2.5']

export async function openLake() {
  const python = await preparePython([...wheels, ...libraries])
  const [release = ''] = await readdir(join(python, '../../lib'))
  const extensions = join(python, '../../lib', release, 'site-packages')

  /** An engine with extensions that is held to nothing. */
  async function openEngine(wanted: readonly string[]) {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const rows = async (sql: string) => (await connection.run(sql)).getRows()
    for (const name of wanted)
      await rows(
        `LOAD '${extensions}/duckdb_extension_${name}/extensions/${version()}/${name}.duckdb_extension'`,
      )
    return {
      rows,
      close() {
        connection.closeSync()
        instance.closeSync()
      },
    }
  }

  /** A real server of the protocol on loopback, with the bucket `lake`. */
  async function startS3() {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const code = `import boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=${port})
server.start()
keys = dict(aws_access_key_id='key', aws_secret_access_key='secret', region_name='eu-north-1')
boto3.client('s3', endpoint_url='${url}', **keys).create_bucket(
    Bucket='lake', CreateBucketConfiguration={'LocationConstraint': 'eu-north-1'})
print('ready', flush=True)
server._thread.join()`
    const child = await startChild(python, ['-c', code], { ready: /^ready$/m, startTimeoutMs: 120_000 })
    return { url, stop: () => child.end('SIGKILL') }
  }

  return {
    python,
    startS3,
    extensions,
    openEngine,
    /** `rows` is Python's. */
    async writeDelta(path: string, rows: string, mode = "mode='append'") {
      const code = `import pyarrow as pa, deltalake
deltalake.write_deltalake('${path}', pa.Table.from_pylist(${rows}), ${mode})`
      await run(python, ['-c', code])
    },
    async deleteDelta(path: string, predicate: string) {
      await run(python, ['-c', `import deltalake; deltalake.DeltaTable('${path}').delete("${predicate}")`])
    },
    /** In a warehouse with a catalog of its own, as the table shop.orders. */
    async writeIceberg(
      folder: string,
      rows: string,
      place: { warehouse: string; options?: Readonly<Record<string, string>> } = {
        warehouse: `file://${folder}`,
      },
    ) {
      const { warehouse, options = {} } = place
      const code = `import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
catalog = SqlCatalog('lake', uri='sqlite:///${folder}/catalog.db', warehouse='${warehouse}', **${JSON.stringify(options)})
catalog.create_namespace_if_not_exists('shop')
rows = pa.Table.from_pylist(${rows})
catalog.create_table_if_not_exists('shop.orders', schema=rows.schema).append(rows)`
      await run(python, ['-c', code])
    },
  }
}
