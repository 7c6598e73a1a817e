// The engine's own extensions, from folders of this machine alone: nothing is downloaded.

import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, version as engineVersion } from '@duckdb/node-api'
import { ConfigError } from '../config/config-error.ts'
import { messageOf } from '../errors.ts'
import { quoteText } from '../sql/sql-text.ts'

export interface ExtensionsWanted {
  folders: readonly string[]
  names: readonly string[]
  /** What they are wanted for, for messages. */
  forWhat: string
}

/**
 * Loads them, and answers the names of the functions that they brought. None may be called by users: what an extension
 * does is not held to the folders that the engine may touch; one writes files by a plain function.
 */
export async function loadExtensions(
  connection: DuckDBConnection,
  { folders, names, forWhat }: ExtensionsWanted,
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const own = await functionNames(connection)
  // The folder in which the engine would look for kept secrets is none that it may touch.
  await connection.run('SET GLOBAL allow_persistent_secrets = false')
  for (const name of names) {
    const file = await findExtension(connection, name, folders)
    if (file === null) throw new ConfigError(missing(name, folders, forWhat))
    try {
      await connection.run(`LOAD ${quoteText(file)}`)
    } catch (error) {
      throw new ConfigError(
        `WAREHOUSE_EXTENSIONS: ${file} cannot be loaded by this gateway's DuckDB ${engineVersion()}: ${messageOf(error)}`,
        { cause: error },
      )
    }
  }
  return new Set([...(await functionNames(connection))].filter((name) => !own.has(name)))
}

async function functionNames(connection: DuckDBConnection): Promise<Set<string>> {
  const result = await connection.run('SELECT DISTINCT lower(function_name) FROM duckdb_functions()')
  return new Set((await result.getRows()).map(([name]) => String(name)))
}

/** As PyPI's wheels, the engine itself and people lay them out. */
async function findExtension(
  connection: DuckDBConnection,
  name: string,
  folders: readonly string[],
): Promise<string | null> {
  const [row] = await (await connection.run('SELECT platform FROM pragma_platform()')).getRows()
  const file = `${name}.duckdb_extension`
  const version = engineVersion()
  const places = [
    ['.'],
    [`duckdb_extension_${name}`, 'extensions', version],
    [version, String(row?.[0])],
    ['extensions', version, String(row?.[0])],
  ]
  for (const path of folders.flatMap((folder) => places.map((place) => join(folder, ...place, file)))) {
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return null
}

function missing(name: string, folders: readonly string[], forWhat: string): string {
  const version = engineVersion().replace(/^v/, '')
  const where =
    folders.length === 0 ? 'WAREHOUSE_EXTENSIONS names no folder' : `it is not in ${folders.join(', ')}`
  return `WAREHOUSE_EXTENSIONS: ${forWhat} needs DuckDB's extension ${name} of version ${version}, and ${where}. Get it by \`pip install --target ./extensions duckdb-extension-${name}==${version}\` and set WAREHOUSE_EXTENSIONS=./extensions`
}
