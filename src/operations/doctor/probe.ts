// Opens one store, named on the command line, and prints what was found of it: run by the doctor, see stores.ts.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { examineCatalog } from '../../catalog/database/examine.ts'
import { type Config, dataPaths, parseConfig } from '../../config/config.ts'
import { messageOf } from '../../errors.ts'
import { createOnlineStore } from '../../online/index.ts'
import { fail, type Notice } from '../../telemetry/notices.ts'
import { createWarehouse } from '../../warehouse/index.ts'
import { mendOf, type StoreName } from './stores.ts'

const log = pino({ level: 'silent' })

async function examine(
  config: Config,
  store: StoreName,
  temporaryFolder: string,
): Promise<readonly Notice[]> {
  const paths = dataPaths(config.dataDir)
  switch (store) {
    case 'catalog':
      return examineCatalog({ url: config.catalogUrl, folder: paths.catalog, log })
    case 'warehouse': {
      const warehouse = await createWarehouse({
        url: config.warehouseUrl,
        file: paths.warehouse,
        files: config.warehouseFiles,
        extensions: config.warehouseExtensions,
        s3: config.s3,
        temporaryFolder,
        datasetsFolder: config.datasetsDir,
        memoryMb: config.engineMemoryMb.warehouse,
        spillMb: config.trainLimits.megabytes,
        lookupLimits: config.lookupLimits,
        log,
      })
      return examineAndClose(warehouse)
    }
    case 'online':
      return examineAndClose(
        await createOnlineStore({
          url: config.onlineUrl,
          folder: paths.online,
          tlsCa: config.onlineTlsCa,
          log,
        }),
      )
  }
}

async function examineAndClose(store: { examine?(): Promise<readonly Notice[]>; close(): Promise<void> }) {
  try {
    return (await store.examine?.()) ?? []
  } finally {
    await store.close()
  }
}

const config = parseConfig(process.env)
const store = process.argv[2] as StoreName
const temporaryFolder = await mkdtemp(join(tmpdir(), 'gateway-doctor-'))
const found = await examine(config, store, temporaryFolder).catch((error: unknown) => [
  fail(messageOf(error), mendOf(config, store)),
])
await rm(temporaryFolder, { recursive: true, force: true })
process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0))
