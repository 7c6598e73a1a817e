// Saved queries, ETLs and feature services that somebody deletes, unless something uses them.

import { type Entry, inUse } from '../catalog/entries.ts'
import type { EntryNoun } from '../catalog/generated/client.ts'
import type { Catalog } from '../catalog/open.ts'

/** Users that the catalog does not know: their names, in a message's words. */
export type OtherUsers = (noun: EntryNoun, entry: Entry) => { names: readonly string[]; cure: string }

export interface Deletions {
  /** Throws NOT_FOUND, and CONFLICT with the names of what uses it. */
  deleteSavedQuery(id: string): Promise<void>
  deleteEtl(id: string): Promise<void>
  deleteFeatureService(id: string): Promise<void>
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

  function assertNotUsedByOthers(noun: EntryNoun, entry: Entry) {
    for (const users of others) {
      const { names, cure } = users(noun, entry)
      if (names.length > 0) throw inUse(noun, entry, names, cure, { users: names })
    }
  }

  async function remove(noun: EntryNoun, id: string) {
    const entries = { SAVED_QUERY: savedQueries, ETL: etls, FEATURE_SERVICE: featureServices }[noun]
    assertNotUsedByOthers(noun, await entries.byId(id))
    await entries.remove(id)
    // By a name or a path another entry is found from here on.
    events.publish('views', 'all', { changed: true })
  }

  return {
    deleteSavedQuery: (id) => remove('SAVED_QUERY', id),
    deleteEtl: (id) => remove('ETL', id),
    deleteFeatureService: (id) => remove('FEATURE_SERVICE', id),
    alsoUsedBy: (users) => void others.push(users),
  }
}
