// The hosts and folders that ETLs may be loaded from: only what ETL_SOURCES names.

import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import type { Config } from '../../config/config.ts'
import { type Host, loadFailed } from './address.ts'

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
      )
    },
    async checkFolder(path, publicPath) {
      const real = await realpath(path).catch(() => null)
      for (const folder of sources.folders) {
        const root = await realpath(folder).catch(() => null)
        if (real === null || root === null) continue
        if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return real
      }
      throw loadFailed(
        publicPath,
        'it does not exist in a folder that ETLs may come from; whoever runs the gateway allows a folder with ETL_SOURCES=/path/of/the/folder',
      )
    },
  }
}
