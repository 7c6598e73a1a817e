// The cache of compiled code: a process that the gateway starts loads what an earlier one has compiled.

import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'

/** For the environment of another process; empty where this one has no cache. */
export function sharedCompileCache(): { NODE_COMPILE_CACHE?: string } {
  // Node gives the folder of its own version in it.
  const folder = getCompileCacheDir()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) }
}
