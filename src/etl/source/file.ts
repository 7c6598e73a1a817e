// ETLs from a folder of this machine.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type FileAddress, loadFailed } from './address.ts'
import type { AllowList } from './allow-list.ts'

/** No ETL is longer, wherever it comes from. */
export const maxEtlBytes = 1_000_000
export const tooLong = `the file is longer than ${maxEtlBytes} bytes`

export async function readEtlFile(
  { file, publicPath }: FileAddress,
  allowList: AllowList,
): Promise<Uint8Array> {
  const path = await allowList.checkFolder(resolve(file), publicPath)
  // The real path has no links; one that is put there meanwhile is not followed, and a pipe is not waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error) => {
      const isDenied = (error as NodeJS.ErrnoException).code === 'EACCES'
      const reason = isDenied
        ? 'the account that the gateway runs as may not read it'
        : 'the file cannot be read'
      throw loadFailed(publicPath, reason, { cause: error, why: 'UNREADABLE' })
    },
  )
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw loadFailed(publicPath, 'it is not a file', { why: 'UNREADABLE' })
    if (stats.size > maxEtlBytes) throw loadFailed(publicPath, tooLong)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}
