// `npm run doctor`: whether a gateway with these settings would work, or the running one does, and how to mend what is wrong.

import { existsSync } from 'node:fs'
import { acquireLock, FolderInUse } from '../../catalog/database/lock.ts'
import { type Config, dataPaths, parseConfig } from '../../config/config.ts'
import { messageOf } from '../../errors.ts'
import { askGateway } from '../../processes/command-socket.ts'
import { fail, type Notice, type NoticeLevel, ok, warn } from '../../telemetry/notices.ts'
import { endOnClosedPipe } from '../closed-pipe.ts'
import { examineStore, type StoreName, storePath } from './stores.ts'
import { examineFolder, examineSettings, examineSources } from './surroundings.ts'

const signs: Record<NoticeLevel, string> = { OK: '✓', WARN: '!', FAIL: '✗' }
const counts: Record<NoticeLevel, number> = { OK: 0, WARN: 0, FAIL: 0 }

function print(part: string, notices: readonly Notice[]) {
  console.log(part)
  for (const { level, text, mend } of notices) {
    counts[level]++
    console.log(`  ${signs[level]} ${text}`)
    if (mend !== undefined && level !== 'OK') console.log(`    → ${mend}`)
  }
}

function readSettings(): Config | null {
  try {
    return parseConfig(process.env)
  } catch (error) {
    print('Settings', [fail(messageOf(error), 'correct them; the README lists what each may be')])
    return null
  }
}

async function examineAll(config: Config) {
  print('Settings', examineSettings(config))
  print('Data folder (DATA_DIR)', await examineFolder(config.dataDir, 'DATA_DIR'))
  if (config.datasetsDir !== dataPaths(config.dataDir).datasets)
    print('Datasets (DATASETS_DIR)', await examineFolder(config.datasetsDir, 'DATASETS_DIR'))
  print('ETL sources', await examineSources(config.etlSources))
  const { lock, holder } = await tryLock(config)
  try {
    for (const [store, title] of [
      ['catalog', 'Catalog'],
      ['warehouse', 'Warehouse'],
      ['online', 'Online store'],
    ] as const)
      print(title, await examineUnlessHeld(config, store, holder))
  } finally {
    await lock?.release()
  }
  print(
    'Running gateway',
    holder === null
      ? [ok('none runs on this data folder: views and parity were not looked at')]
      : await askRunning(config, holder),
  )
}

/** The sentence that names whoever has the folder; nobody starts on it while we have it. */
async function tryLock({ dataDir }: Config) {
  if (!existsSync(dataDir)) return { lock: null, holder: null }
  try {
    return { lock: await acquireLock(dataPaths(dataDir).lock), holder: null }
  } catch (error) {
    return { lock: null, holder: error instanceof FolderInUse ? error.message : null }
  }
}

async function examineUnlessHeld(config: Config, store: StoreName, holder: string | null): Promise<Notice[]> {
  const path = storePath(config, store)
  if (path !== null && holder !== null)
    return [ok('it is embedded in the running gateway, which is asked below')]
  if (path !== null && !existsSync(path))
    return [warn(`${path} is not there yet`, 'start the gateway: it makes it')]
  return examineStore(config, store, process.env)
}

async function askRunning(config: Config, holder: string): Promise<Notice[]> {
  const found = [ok(holder.split('. ', 1)[0] ?? holder)]
  try {
    const answer = await askGateway(dataPaths(config.dataDir).socket, { ask: 'examine' })
    return [...found, ...(answer as Notice[])]
  } catch (error) {
    return [
      ...found,
      fail(
        messageOf(error),
        'look at its log, and at /readyz; with WORKERS ask each worker: DATA_DIR/worker-1',
      ),
    ]
  }
}

endOnClosedPipe()
const config = readSettings()
if (config !== null) await examineAll(config)
const { OK, WARN, FAIL } = counts
console.log(`\n${FAIL} to mend, ${WARN} to look at, ${OK} well`)
process.exitCode = FAIL > 0 ? 1 : 0
