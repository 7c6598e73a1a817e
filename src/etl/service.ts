// ETLs as callers name them: by catalog id, or by path; the stored one is used until somebody asks for it anew.

import type { Logger } from 'pino'
import type { EtlRecord } from '../catalog/etls.ts'
import { idPrefix } from '../catalog/ids.ts'
import type { Catalog } from '../catalog/open.ts'
import type { EtlEngine } from './engine.ts'
import type { EtlLoader, EtlSource } from './source/source.ts'

export interface ResolvedEtl extends EtlSource {
  /** Null when it is not in the catalog. */
  id: string | null
  version: number | null
}

export interface ResolveOptions {
  /** The name to save it under; by default the file's. */
  name?: string
  /** Whether an ETL loaded now goes into the catalog; true by default. */
  save?: boolean
}

export interface EtlService {
  /**
   * By id the very entry; by path the newest stored one, so that training and realtime run the same source, else it is
   * loaded, checked and saved. Rejects with NOT_FOUND or ETL_LOAD_FAILED.
   */
  resolve(etlPath: string, options?: ResolveOptions): Promise<ResolvedEtl>
  /** The same without loading anything: null for a path that nothing is stored for. */
  stored(etlPath: string): Promise<ResolvedEtl | null>
  /** Loads the entry's path again: the next version of its name, or its newest entry when nothing has changed. */
  refresh(id: string): Promise<EtlRecord>
}

export interface EtlServiceOptions {
  catalog: Pick<Catalog, 'etls'>
  loader: EtlLoader
  etlEngine: Pick<EtlEngine, 'check'>
  log: Logger
}

function resolved(record: EtlRecord): ResolvedEtl {
  const { id, version, path, language, commit, contentSha256, source, name } = record
  return { id, version, path, language, commit, contentSha256, source, name }
}

export function createEtlService({ catalog, loader, etlEngine, log }: EtlServiceOptions): EtlService {
  const { etls } = catalog
  const loading = new Map<string, Promise<ResolvedEtl>>()

  async function loadChecked(path: string): Promise<EtlSource> {
    const source = await loader.load(path)
    await etlEngine.check(source)
    return source
  }

  async function save(source: EtlSource, name: string): Promise<EtlRecord> {
    const { path, language, commit, contentSha256, source: text } = source
    const record = await etls.save({ name, path, language, commit, contentSha256, source: text })
    log.info({ etl: record.id, name, version: record.version, path, commit }, 'Saved an ETL')
    return record
  }

  /** Entries of earlier releases are kept under their paths as these were given. */
  async function storedAt(etlPath: string, name?: string): Promise<EtlRecord | null> {
    const path = loader.publicPath(etlPath)
    const stored = await etls.newestByPath(path, name)
    return stored ?? (path === etlPath ? null : etls.newestByPath(etlPath, name))
  }

  async function loadFirst(
    path: string,
    { name, save: isSaved }: { name: string | undefined; save: boolean },
  ): Promise<ResolvedEtl> {
    const source = await loadChecked(path)
    const named = { ...source, name: name ?? source.name }
    return isSaved ? resolved(await save(named, named.name)) : { ...named, id: null, version: null }
  }

  return {
    async resolve(etlPath, { name, save: isSaved = true } = {}) {
      if (idPrefix(etlPath) === 'etl') return resolved(await etls.byId(etlPath))
      const stored = await storedAt(etlPath, name)
      if (stored !== null) return resolved(stored)
      const key = JSON.stringify([loader.publicPath(etlPath), name ?? null, isSaved])
      let first = loading.get(key)
      if (first === undefined) {
        first = loadFirst(etlPath, { name, save: isSaved }).finally(() => loading.delete(key))
        loading.set(key, first)
      }
      return first
    },
    async stored(etlPath) {
      if (idPrefix(etlPath) === 'etl') return resolved(await etls.byId(etlPath))
      const record = await storedAt(etlPath)
      return record && resolved(record)
    },
    async refresh(id) {
      const entry = await etls.byId(id)
      return save(await loadChecked(entry.path), entry.name)
    },
  }
}
