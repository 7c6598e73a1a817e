// A backup put back into an empty data folder. Until it is whole there, no gateway starts on it.

import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { acquireLock } from '../../catalog/database/lock.ts'
import { type Config, dataPaths } from '../../config/config.ts'
import { makeFolder } from '../../config/folders.ts'
import { embedded, isThere, parts, warehouseFile } from './backup.ts'
import { type Manifest, verifyBackup } from './manifest.ts'

/**
 * Puts the backup's parts where the settings say that they belong. Nothing may be there yet, but for what an earlier
 * restore that was cut short has left. What is online is left to be computed anew: the next start drops whatever an
 * online store still holds of the views.
 */
export async function restoreBackup(config: Config, backup: string): Promise<Manifest> {
  const manifest = await verifyBackup(backup)
  const paths = dataPaths(config.dataDir)
  await makeFolder(config.dataDir, 'DATA_DIR')
  const lock = await acquireLock(paths.lock)
  try {
    const places = placesOf(config, manifest)
    const again = await isThere(paths.restoring)
    if (!again) for (const { to } of places) await assertFree(to)
    await assertFree(paths.online)
    await writeFile(paths.restoring, `${backup}\n`)
    for (const { from, to } of places) await put(join(backup, from), to)
    await writeFile(paths.restored, `${manifest.madeAt}\n`)
    await rm(paths.restoring)
    return manifest
  } finally {
    await lock.release()
  }
}

function placesOf(config: Config, { files }: Manifest): { from: string; to: string }[] {
  const has = embedded(config)
  const file = warehouseFile(config)
  const isIn = (part: string) => files.some(({ path }) => path === part || path.startsWith(`${part}/`))
  if (has.catalog !== isIn(parts.catalog) || has.warehouse !== isIn(parts.warehouse))
    throw new Error(
      `The backup holds ${isIn(parts.catalog) ? 'a' : 'no'} catalog and ${isIn(parts.warehouse) ? 'a' : 'no'} warehouse: CATALOG_URL and WAREHOUSE_URL must say so too (pglite:, duckdb:)`,
    )
  const all = [
    { from: parts.datasets, to: config.datasetsDir },
    { from: parts.warehouse, to: file },
    { from: `${parts.warehouse}.wal`, to: `${file}.wal` },
    { from: parts.catalog, to: dataPaths(config.dataDir).catalog },
  ]
  return all.filter(({ from }) => isIn(from))
}

async function assertFree(path: string): Promise<void> {
  if (await isThere(path))
    throw new Error(
      `${path} is there already: restore into an empty DATA_DIR, or move away what is in this one`,
    )
}

/** Under another name first, so that what has its name is whole. */
async function put(from: string, to: string): Promise<void> {
  const making = `${to}.restoring`
  await mkdir(dirname(to), { recursive: true })
  await rm(making, { recursive: true, force: true })
  await cp(from, making, { recursive: true, preserveTimestamps: true })
  await rm(to, { recursive: true, force: true })
  await rename(making, to)
}
