// Saved queries, ETLs and feature services that somebody deletes, unless something uses them.

import { type Entry, inUse } from '../catalog/entries.ts'
import type { EntryNoun } from '../catalog/generated/client.ts'
import type { Catalog } from '../catalog/open.ts'

/** Users that the catalog does not know: their names, in a message's words. `references` is what the entry is asked for by. */
export type OtherUsers = (
  noun: EntryNoun,
  references: readonly string[],
) => { names: readonly string[]; cure: string }

export interface Deletions {
  /** Throws NOT_FOUND, and CONFLICT with the names of what uses it. */
  deleteSavedQuery(id: string): Promise<void>
  deleteEtl(id: string): Promise<void>
  /** With `force` also where others than the catalog's entries use it. */
  deleteFeatureService(id: string, options?: { force: boolean }): Promise<void>
  /** Asked before anything is deleted. */
  alsoUsedBy(users: OtherUsers): void
}

export function createDeletions({
  savedQueries,
  etls,
  featureServices,
  events,
}: Pick<Catalog, 'savedQueries' | 'etls' | 'featureServices' | 'events'>): Deletions {
  const others: OtherUsers[] = []

  function assertNotUsedByOthers(noun: EntryNoun, entry: Entry, references: readonly string[]) {
    for (const users of others) {
      const { names, cure } = users(noun, references)
      if (names.length > 0) throw inUse(noun, entry, names, cure, { users: names })
    }
  }

  /** By its name alone the newest version of a service is asked for. */
  async function referencesOf(noun: EntryNoun, { id, name, version }: Entry): Promise<readonly string[]> {
    if (noun === 'ETL') return [id]
    const isNewest =
      noun === 'FEATURE_SERVICE' && (await featureServices.newest()).some((each) => each.id === id)
    return [id, `${name}@${version}`, ...(isNewest ? [name] : [])]
  }

  async function remove(noun: EntryNoun, id: string, { force } = { force: false }) {
    const entries = { SAVED_QUERY: savedQueries, ETL: etls, FEATURE_SERVICE: featureServices }[noun]
    const entry = await entries.byId(id)
    if (!force) assertNotUsedByOthers(noun, entry, await referencesOf(noun, entry))
    await entries.remove(id)
    // By a name or a path another entry is found from here on.
    events.publish('views', 'all', { changed: true })
  }

  return {
    deleteSavedQuery: (id) => remove('SAVED_QUERY', id),
    deleteEtl: (id) => remove('ETL', id),
    deleteFeatureService: (id, options) => remove('FEATURE_SERVICE', id, options),
    alsoUsedBy: (users) => void others.push(users),
  }
}
