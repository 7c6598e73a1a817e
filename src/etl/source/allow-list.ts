// The hosts and folders that ETLs may be loaded from: only what ETL_SOURCES names.

import { realpath } from 'node:fs/promises'
import { dirname, resolve, sep } from 'node:path'
import type { Config } from '../../config/config.ts'
import { type Host, loadFailed, type Unavailable } from './address.ts'

export interface AllowList {
  /** `named` says that the very host was listed: then it may be a private address too. Throws ETL_LOAD_FAILED. */
  checkHost(host: Host, publicPath: string): { named: boolean }
  /** The real path when it lies in an allowed folder, whatever `..` and links lead to. Rejects with ETL_LOAD_FAILED. */
  checkFolder(path: string, publicPath: string): Promise<string>
}

function hostText({ name, port }: Host): string {
  return port === null ? name : `${name}:${port}`
}

export function createAllowList(sources: Config['etlSources']): AllowList {
  const hosts = sources.hosts.map((host) =>
    host
      .toLowerCase()
      .replace(/^(https?|ssh):\/\//, '')
      .replace(/\/+$/, ''),
  )

  return {
    checkHost(host, publicPath) {
      const text = hostText(host)
      if (hosts.includes(text)) return { named: true }
      const isAllowed = hosts.some(
        (one) => one === '*' || (one.startsWith('*.') && text.endsWith(one.slice(1))),
      )
      if (isAllowed) return { named: false }
      throw loadFailed(
        publicPath,
        `the host ${text} is not among those that ETLs may come from; whoever runs the gateway allows it with ETL_SOURCES=${text}`,
        { why: 'FORBIDDEN' },
      )
    },
    async checkFolder(path, publicPath) {
      const { real, fault } = await follow(path)
      for (const folder of sources.folders) {
        const root = await realpath(folder).catch(() => null)
        if (root === null && isBeneath(path, resolve(folder)))
          throw loadFailed(publicPath, `the folder ${folder}, which ETL_SOURCES names, is not there`, {
            why: 'MISSING',
          })
        if (root === null || !isBeneath(real, root)) continue
        if (fault === null) return real
        const { why, reason } = faults[fault] ?? unreadable
        throw loadFailed(publicPath, reason, { why })
      }
      throw loadFailed(
        publicPath,
        'it does not lie in a folder that ETLs may come from; whoever runs the gateway allows a folder with ETL_SOURCES=/path/of/the/folder',
        { why: 'FORBIDDEN' },
      )
    },
  }
}

const missing = { why: 'MISSING', reason: 'there is no such file or folder' } as const
const unreadable = { why: 'UNREADABLE', reason: 'the gateway cannot read it' } as const
const faults: Record<string, { why: Unavailable; reason: string }> = {
  ENOENT: missing,
  ENOTDIR: missing,
  EACCES: { why: 'UNREADABLE', reason: 'the account that the gateway runs as may not read it' },
}

/** Where a path really leads; of one that leads to nothing, to where on it there is still something, and what it failed by. */
async function follow(path: string): Promise<{ real: string; fault: string | null }> {
  let fault: string | null = null
  for (let at = path; ; at = dirname(at)) {
    try {
      return { real: await realpath(at), fault }
    } catch (error) {
      fault ??= (error as NodeJS.ErrnoException).code ?? ''
      if (dirname(at) === at) return { real: at, fault }
    }
  }
}

function isBeneath(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
