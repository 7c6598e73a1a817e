// The three stores, each opened in a process of its own: one that is damaged may take that process down, and not the doctor.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { type Config, dataPaths } from '../../config/config.ts'
import { fail, type Notice } from '../../telemetry/notices.ts'
import { warehouseFile } from '../backup/backup.ts'

export type StoreName = 'catalog' | 'warehouse' | 'online'

const openWithinMs = 60_000

const notices = z.array(
  z.object({ level: z.enum(['OK', 'WARN', 'FAIL']), text: z.string(), mend: z.string().optional() }),
)

/** The path of a store that lives in files; null for a server. */
export function storePath(config: Config, store: StoreName): string | null {
  const paths = dataPaths(config.dataDir)
  switch (store) {
    case 'catalog':
      return config.catalogUrl.startsWith('pglite:') ? paths.catalog : null
    case 'warehouse':
      return config.warehouseUrl.startsWith('duckdb:') ? warehouseFile(config) : null
    case 'online':
      return config.onlineUrl.startsWith('lmdb:') ? paths.online : null
  }
}

export async function examineStore(
  config: Config,
  store: StoreName,
  env: NodeJS.ProcessEnv,
): Promise<Notice[]> {
  const probe = join(import.meta.dirname, 'probe.ts')
  const child = spawn(process.execPath, [probe, store], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), openWithinMs)
  const [output, complaint, [, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null, string | null]>,
  ])
  clearTimeout(timer)
  const found = notices.safeParse(parseLast(output))
  if (found.success) return found.data.map(({ mend, ...rest }) => ({ ...rest, ...(mend && { mend }) }))
  const how =
    signal === null ? (complaint.trim().split('\n').at(-1) ?? '') : `it ended its process with ${signal}`
  return [fail(`it cannot be opened: ${how}`, mendOf(config, store))]
}

/** What to do about a store that cannot be opened. */
export function mendOf(config: Config, store: StoreName): string {
  const path = storePath(config, store)
  if (path === null)
    return `look at the server, and at ${store.toUpperCase()}_URL: address, user, password, TLS`
  if (store === 'online') return `stop the gateway and remove ${path}: what is online is computed anew`
  return `put a backup back into an empty DATA_DIR (npm run restore); keep ${path} until that has succeeded`
}

function parseLast(output: string): unknown {
  try {
    return JSON.parse(output.trim().split('\n').at(-1) ?? '')
  } catch {
    return null
  }
}
