// Folders that settings name: made where they are missing, and a failure names the setting.

import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../errors.ts'
import { ConfigError } from './config-error.ts'

/** Makes the folder and those above it. Throws a ConfigError that names the setting. */
export async function makeFolder(path: string, setting: string): Promise<void> {
  const missing: string[] = []
  try {
    // One by one: mkdir's own `recursive` never ends where a parent takes no folders and says that it is not there (/proc).
    for (let at = path; !(await isThere(at)); at = dirname(at)) missing.unshift(at)
    for (const each of missing) await mkdir(each).catch(ignoreExisting)
    if ((await stat(path)).isDirectory()) return
  } catch (error) {
    throw new ConfigError(
      `${setting}: the folder ${path} cannot be made (${messageOf(error)}). Set ${setting} to a folder that the gateway's account may write.`,
      { cause: error },
    )
  }
  throw new ConfigError(`${setting}: ${path} is no folder. Set ${setting} to one.`)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** Another process may make it in the same moment. */
function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
}
