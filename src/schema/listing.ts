// How every connection of the catalog is ordered and searched.

/** Ids break the ties, so that a page's end is one place. */
export const newestFirst = [{ createdAt: 'desc' as const }, { id: 'desc' as const }]

/** Text that holds `search` as it is, whatever its case; LIKE's own signs in it stand for themselves. */
export function containing(search: string) {
  return { contains: search.replace(/[\\%_]/g, '\\$&'), mode: 'insensitive' as const }
}
