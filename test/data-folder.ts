// A data folder as a gateway's first start leaves it. That start takes seconds: it is made once in a run of the tests, and copied.

import { cpSync } from 'node:fs'
import { mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { inject } from 'vitest'
import { openPglite } from '../src/catalog/database/pglite.ts'
import { openCatalog } from '../src/catalog/open.ts'
import { dataPaths } from '../src/config/config.ts'
import { createFolder } from './servers/child.ts'

/** DATABASE: PGlite's files without any table. CATALOG: with the migrations applied. */
type Stage = 'DATABASE' | 'CATALOG'

/** A DATA_DIR of its own for a test, as `stage` says. */
export async function createDataFolder(name: string, stage: Stage = 'CATALOG') {
  const folder = await createFolder(name)
  cpSync(await prepared(stage), folder.path, { recursive: true })
  return folder
}

/** Made by whichever test comes first; of two at once, the one that is done first. */
async function prepared(stage: Stage): Promise<string> {
  const runFolder = inject('runFolder')
  const path = join(runFolder, stage)
  if (await isThere(path)) return path
  const making = await mkdtemp(join(runFolder, 'making-'))
  if (stage === 'CATALOG') cpSync(await prepared('DATABASE'), making, { recursive: true })
  await open(stage, dataPaths(making).catalog)
  await rename(making, path).catch(async (error: unknown) => {
    if (!(await isThere(path))) throw error
    await rm(making, { recursive: true })
  })
  return path
}

async function open(stage: Stage, folder: string) {
  const log = pino({ level: 'silent' })
  const opened =
    stage === 'DATABASE'
      ? await openPglite({ folder, log })
      : await openCatalog({ url: 'pglite:', folder, log })
  await opened.close()
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
