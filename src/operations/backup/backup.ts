// A backup of what is embedded: catalog, warehouse and datasets, as of one moment, in a folder that appears only when it is whole.

import { constants } from 'node:fs'
import { access, copyFile, cp, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { acquireLock, FolderInUse } from '../../catalog/database/lock.ts'
import { type Config, dataPaths } from '../../config/config.ts'
import { ConfigError } from '../../config/config-error.ts'
import { askGateway } from '../../processes/command-socket.ts'
import { type Manifest, writeManifest } from './manifest.ts'

/** Where a backup's parts are in its folder. */
export const parts = { catalog: 'catalog', warehouse: 'warehouse.duckdb', datasets: 'datasets' } as const

/** Which stores live in files that belong to this gateway alone. */
export function embedded(config: Pick<Config, 'catalogUrl' | 'warehouseUrl'>) {
  return {
    catalog: config.catalogUrl.startsWith('pglite:'),
    warehouse: config.warehouseUrl.startsWith('duckdb:'),
  }
}

/** The file of an embedded warehouse. */
export function warehouseFile({ warehouseUrl, dataDir }: Pick<Config, 'warehouseUrl' | 'dataDir'>): string {
  const path = warehouseUrl.slice('duckdb:'.length).replace(/^\/\/(?=\/)/, '')
  return path === '' ? dataPaths(dataDir).warehouse : resolve(path)
}

/**
 * Makes the folder `target`, which must not be there yet. A gateway that runs on the data folder is asked to copy its
 * stores itself, and appends wait meanwhile; otherwise the folder is held as if a gateway ran. What is online is left
 * out: it is computed from the rest.
 */
export async function makeBackup(config: Config, target: string): Promise<Manifest> {
  const has = embedded(config)
  if (!has.catalog && !has.warehouse)
    throw new ConfigError(
      'Nothing is embedded: CATALOG_URL and WAREHOUSE_URL are servers. Back them up as servers are (pg_dump), both as of one moment.',
    )
  const whole = resolve(target)
  if (await isThere(whole))
    throw new Error(`${whole} is there already: a backup goes into a folder of its own`)
  const partial = `${whole}.partial-${process.pid}`
  await mkdir(dirname(whole), { recursive: true })
  await mkdir(partial, { mode: 0o700 })
  try {
    const madeAt = new Date()
    await copyStores(config, partial)
    await copyDatasets(config.datasetsDir, join(partial, parts.datasets))
    const manifest = await writeManifest(partial, madeAt)
    await rename(partial, whole)
    return manifest
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw error
  }
}

async function copyStores(config: Config, folder: string): Promise<void> {
  const paths = dataPaths(config.dataDir)
  if (!(await isThere(config.dataDir)))
    throw new Error(`There is no data folder ${config.dataDir} (DATA_DIR)`)
  try {
    const lock = await acquireLock(paths.lock)
    try {
      await copyFiles(config, folder)
    } finally {
      await lock.release()
    }
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error
    await askGateway(paths.socket, { ask: 'copyStores', folder })
  }
}

/** Nobody has the stores open: their files are as after a kill at the latest, which they survive. */
async function copyFiles(config: Config, folder: string): Promise<void> {
  const has = embedded(config)
  const { catalog } = dataPaths(config.dataDir)
  if (has.catalog) {
    if (!(await isThere(catalog)))
      throw new Error(`No gateway has run in ${config.dataDir} yet: there is nothing to back up`)
    await cp(catalog, join(folder, parts.catalog), { recursive: true, mode: constants.COPYFILE_FICLONE })
  }
  if (has.warehouse) await copyWarehouse(warehouseFile(config), join(folder, parts.warehouse))
}

async function copyWarehouse(file: string, to: string): Promise<void> {
  await copyFile(file, to, constants.COPYFILE_FICLONE)
  // What was committed since the last checkpoint.
  if (await isThere(`${file}.wal`)) await copyFile(`${file}.wal`, `${to}.wal`, constants.COPYFILE_FICLONE)
}

/** Those that are whole by now; what the catalog does not know of them yet does no harm. */
async function copyDatasets(folder: string, to: string): Promise<void> {
  await mkdir(to)
  const names = await readdir(folder).catch(() => [])
  for (const name of names.filter((each) => /^dst_[A-Za-z0-9_-]+\.parquet$/.test(each))) {
    // One may be removed meanwhile.
    await copyFile(join(folder, name), join(to, name), constants.COPYFILE_FICLONE).catch(ignoreMissing)
  }
}

function ignoreMissing(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOENT') throw error
}

export function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
