// A data folder as a gateway's first start leaves it. That start takes seconds: it is made once in a run of the tests, and copied.

import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { inject } from 'vitest'
import { openPglite } from '../src/catalog/database/pglite.ts'
import { openCatalog } from '../src/catalog/open.ts'
import { dataPaths } from '../src/config/config.ts'
import { createFolder, runProgram } from './servers/child.ts'

/** DATABASE: PGlite's files without any table, and without the databases that others are made of: half of all. CATALOG: with the migrations applied. */
type Stage = 'DATABASE' | 'CATALOG'

/** A DATA_DIR of its own for a test, as `stage` says. */
export async function createDataFolder(name: string, stage: Stage = 'CATALOG') {
  const folder = await createFolder(name)
  await copy(await prepared(stage), folder.path)
  return folder
}

/** Made by whichever test comes first, of all processes; the others wait, and make it themselves where that one failed. */
async function prepared(stage: Stage): Promise<string> {
  const runFolder = inject('runFolder')
  const path = join(runFolder, stage)
  const making = `${path}.making`
  while (!(await isThere(path))) {
    const changes = watch(runFolder)
    const changed = once(changes, 'change')
    try {
      if (await isMadeHere(making)) await make(stage, making, path)
      else if (await isThere(making)) await changed
    } finally {
      changes.close()
    }
  }
  return path
}

/** Of those who ask, one is told that it has made the folder. */
function isMadeHere(folder: string): Promise<boolean> {
  return mkdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
}

async function make(stage: Stage, making: string, path: string) {
  try {
    // Another may have made it just before this one was told to.
    if (await isThere(path)) return await rm(making, { recursive: true })
    if (stage === 'CATALOG') await copy(await prepared('DATABASE'), making)
    await open(stage, dataPaths(making).catalog)
    await rename(making, path)
  } catch (error) {
    await rm(making, { recursive: true, force: true })
    throw error
  }
}

async function open(stage: Stage, folder: string) {
  const log = pino({ level: 'silent' })
  if (stage === 'CATALOG') return (await openCatalog({ url: 'pglite:', folder, log })).close()
  const database = await openPglite({ folder, log })
  await database.read('UPDATE pg_database SET datistemplate = false')
  for (const name of ['template0', 'template1']) await database.read(`DROP DATABASE ${name}`)
  await database.close()
}

/** By a process of its own: a thousand files take this one longer. */
async function copy(from: string, to: string) {
  await runProgram('cp', ['-r', `${from}/.`, to])
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
