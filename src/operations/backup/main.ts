// `npm run backup -- FOLDER` and `npm run restore -- FOLDER`, with the gateway's own settings.

import { resolve } from 'node:path'
import { parseConfig } from '../../config/config.ts'
import { messageOf } from '../../errors.ts'
import { endOnClosedPipe } from '../closed-pipe.ts'
import { makeBackup } from './backup.ts'
import { restoreBackup } from './restore.ts'

const usage = `npm run backup -- FOLDER     makes FOLDER, a backup of what is embedded in DATA_DIR; the gateway may run
npm run restore -- FOLDER    puts the backup FOLDER into an empty DATA_DIR; no gateway may run on it`

async function main([what, folder, ...more]: string[]) {
  if (folder === undefined || more.length > 0) throw new Error(`Name one folder:\n${usage}`)
  const config = parseConfig(process.env)
  const { files, madeAt } = await run(what, config, resolve(folder))
  const megabytes = Math.ceil(files.reduce((sum, { bytes }) => sum + bytes, 0) / 1024 / 1024)
  const of = `${files.length} files, ${megabytes} MiB, as of ${madeAt}`
  console.log(
    what === 'backup'
      ? `Backed up ${config.dataDir} into ${resolve(folder)}: ${of}`
      : `Restored ${config.dataDir} from ${resolve(folder)}: ${of}. The next start empties the online store of the views' rows; they are computed anew.`,
  )
}

function run(what: string | undefined, config: ReturnType<typeof parseConfig>, folder: string) {
  switch (what) {
    case 'backup':
      return makeBackup(config, folder)
    case 'restore':
      return restoreBackup(config, folder)
    default:
      throw new Error(usage)
  }
}

endOnClosedPipe()
main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(messageOf(error))
  process.exitCode = 1
})
