// What a gateway needs of the machine: settings that fit together, folders that can be written with room left, ETL sources that can be reached.

import { lookup } from 'node:dns/promises'
import { access, constants, mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { messageOf } from '../../errors.ts'
import { fail, type Notice, ok, warn } from '../../telemetry/notices.ts'

const scarce = { failBytes: 100 * 1024 * 1024, warnBytes: 1024 * 1024 * 1024 }

export function examineSettings(config: Config): Notice[] {
  const stores = [config.catalogUrl, config.warehouseUrl, config.onlineUrl].map((url) => url.split(':', 1)[0])
  const found = [
    ok(`they can be read: catalog ${stores[0]}, warehouse ${stores[1]}, online store ${stores[2]}`),
  ]
  for (const sentence of config.misspelt) found.push(warn(sentence, 'correct its name, or take it away'))
  const isEmbedded = (url: string) => /^(pglite|duckdb|lmdb):/.test(url)
  if (!isEmbedded(config.catalogUrl) && (isEmbedded(config.warehouseUrl) || isEmbedded(config.onlineUrl)))
    found.push(
      warn(
        'the catalog is a server’s and other stores are embedded: a second gateway on that catalog would not see them',
        'set WAREHOUSE_URL and ONLINE_URL to servers before you start another gateway on this catalog',
      ),
    )
  if (config.retention.datasetsMs === null && config.retention.datasetsBytes === null)
    found.push(ok('datasets are kept for ever (DATASET_RETENTION_DAYS, DATASETS_MAX_MB)'))
  return found
}

export async function examineFolder(path: string, setting: string): Promise<Notice[]> {
  const there = await stat(path).catch(() => null)
  if (there === null) {
    if (await canMakeFolders(dirname(path)))
      return [warn(`${path} is not there yet`, 'start the gateway: it makes it')]
    const mend = `make it, owned by the gateway's account, or set ${setting}`
    return [fail(`${path} is not there, and cannot be made`, mend)]
  }
  if (!there.isDirectory()) return [fail(`${path} is no folder`, `set ${setting} to a folder`)]
  return [await checkWriting(path, setting), await checkRoom(path, setting)]
}

async function canMakeFolders(path: string): Promise<boolean> {
  try {
    await rm(await mkdtemp(join(path, '.doctor-')), { recursive: true })
    return true
  } catch {
    return false
  }
}

async function checkWriting(path: string, setting: string): Promise<Notice> {
  try {
    const folder = await mkdtemp(join(path, '.doctor-'))
    try {
      await writeFile(join(folder, 'written'), Buffer.alloc(64 * 1024, 1))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return ok(`${path} can be written`)
  } catch (error) {
    return fail(
      `${path} cannot be written: ${messageOf(error)}`,
      `make room, or have the folder belong to the gateway's account (chown), on a file system that is not read-only; or set ${setting}`,
    )
  }
}

async function checkRoom(path: string, setting: string): Promise<Notice> {
  const { bavail, bsize, blocks } = await statfs(path)
  const free = bavail * bsize
  const text = `${Math.floor(free / 1024 / 1024)} MiB are free there (${Math.round((100 * bavail) / Math.max(blocks, 1))} %)`
  const mend = `make room, keep fewer datasets (DATASET_RETENTION_DAYS, DATASETS_MAX_MB), or move ${setting}`
  if (free < scarce.failBytes) return fail(text, mend)
  return free < scarce.warnBytes ? warn(text, mend) : ok(text)
}

export async function examineSources({ hosts, folders }: Config['etlSources']): Promise<Notice[]> {
  const found = [
    ...(await Promise.all(folders.map(checkFolder))),
    ...(await Promise.all(hosts.map(checkHost))),
  ]
  return found.length > 0 ? found : [ok('none is allowed (ETL_SOURCES)')]
}

async function checkFolder(path: string): Promise<Notice> {
  try {
    await access(path, constants.R_OK | constants.X_OK)
    return ok(`${path} can be read`)
  } catch (error) {
    return fail(
      `${path} cannot be read: ${messageOf(error)}`,
      'make it readable to the gateway, or take it out of ETL_SOURCES',
    )
  }
}

async function checkHost(host: string): Promise<Notice> {
  if (host.startsWith('*.')) return ok(`${host}: every host beneath`)
  try {
    const { address } = await lookup(new URL(`http://${host}`).hostname)
    return ok(`${host} is ${address}`)
  } catch (error) {
    return warn(
      `${host} is not found: ${messageOf(error)}`,
      'look at the name in ETL_SOURCES and at the machine’s DNS; ETLs in the catalog are served all the same',
    )
  }
}
