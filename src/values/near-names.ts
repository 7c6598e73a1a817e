// The names that somebody may have meant who wrote one that is not there.

import { distance } from 'fastest-levenshtein'

/** Those of the items whose names differ by few letters, the nearest first; the case of letters counts for none. */
export function nearest<Item>(
  asked: string,
  items: readonly Item[],
  nameOf: (item: Item) => string,
): readonly Item[] {
  const name = asked.toLowerCase()
  const most = Math.max(1, Math.floor(name.length / 4))
  return items
    .map((item) => ({ item, letters: distance(name, nameOf(item).toLowerCase()) }))
    .filter(({ letters }) => letters <= most)
    .sort((a, b) => a.letters - b.letters)
    .map(({ item }) => item)
}

const maxNamed = 8

/** `; did you mean a or b?`, or nothing. */
export function suggestNames(asked: string, names: readonly string[]): string {
  const near = nearest(asked, names, (name) => name).slice(0, maxNamed)
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
}
