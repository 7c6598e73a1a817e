// Where an ETL comes from: git, the web or an allowed folder, loaded and pinned by commit and content hash.

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import type { EtlLanguage } from '../../catalog/etls.ts'
import type { Config } from '../../config/config.ts'
import { type EtlAddress, loadFailed, parseAddress } from './address.ts'
import { createAllowList } from './allow-list.ts'
import { readEtlFile } from './file.ts'
import { createGitSource } from './git.ts'
import { readWebFile } from './web.ts'

export interface EtlSource {
  /** As it was given, without credentials. */
  path: string
  language: EtlLanguage
  /** Null when it does not come from git. */
  commit: string | null
  /** Of the file's bytes, in hex. */
  contentSha256: string
  source: string
  /** The file's base name, unless the catalog gives it another. */
  name: string
}

export interface EtlLoader {
  /** The path as the catalog knows it: without credentials. Throws ETL_LOAD_FAILED when it is none. */
  publicPath(path: string): string
  /** Rejects with ETL_LOAD_FAILED: what was wrong, and what would be right. */
  load(path: string): Promise<EtlSource>
}

export interface EtlLoaderOptions {
  sources: Config['etlSources']
  /** Of what git fetches nothing stays here, unless this process is killed. */
  temporaryFolder: string
  log: Logger
  /** How git reaches ssh hosts; by default GIT_SSH_COMMAND of the environment, else plain `ssh`. */
  sshCommand?: string | undefined
}

const languages: Record<string, EtlLanguage> = {
  '.sql': 'SQL',
  '.js': 'JAVASCRIPT',
  '.mjs': 'JAVASCRIPT',
  '.ts': 'TYPESCRIPT',
  '.mts': 'TYPESCRIPT',
}

function languageOf(fileName: string, path: string): EtlLanguage {
  const extension = /\.[^.]*$/.exec(fileName)?.[0].toLowerCase() ?? ''
  const language = languages[extension]
  if (language !== undefined) return language
  throw loadFailed(
    path,
    `its file ${JSON.stringify(fileName)} has no extension that tells the language: ${Object.keys(languages).join(', ')}`,
  )
}

function decodeSource(bytes: Uint8Array, path: string): string {
  let source: string
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw loadFailed(path, 'the file is not UTF-8 text')
  }
  if (source.includes('\0')) throw loadFailed(path, 'the file holds a NUL character; it is no text')
  if (source.startsWith('version https://git-lfs')) {
    throw loadFailed(path, 'the file is kept in Git LFS; an ETL must be kept in the repository itself')
  }
  return source
}

export function createEtlLoader({ sources, temporaryFolder, log, sshCommand }: EtlLoaderOptions): EtlLoader {
  const allowList = createAllowList(sources)
  const git = createGitSource({ allowList, temporaryFolder, sshCommand })

  async function read(address: EtlAddress): Promise<{ bytes: Uint8Array; commit: string | null }> {
    if (address.kind === 'git') return git.read(address)
    if (address.kind === 'web') return { bytes: await readWebFile(address, allowList), commit: null }
    return { bytes: await readEtlFile(address, allowList), commit: null }
  }

  return {
    publicPath: (path) => parseAddress(path).publicPath,
    async load(path) {
      const address = parseAddress(path)
      const language = languageOf(address.fileName, address.publicPath)
      const begun = performance.now()
      const { bytes, commit } = await read(address)
      const source = decodeSource(bytes, address.publicPath)
      const contentSha256 = createHash('sha256').update(bytes).digest('hex')
      const elapsedMs = Math.round(performance.now() - begun)
      log.info({ path: address.publicPath, commit, contentSha256, elapsedMs }, 'Loaded an ETL')
      return { path: address.publicPath, language, commit, contentSha256, source, name: address.fileName }
    },
  }
}
