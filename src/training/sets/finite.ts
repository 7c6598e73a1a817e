// SQL that has null in the place of NaN and infinities, as the rows that are served have: within lists and structs too.

import { quoteText } from '../../sql/sql-text.ts'
import type { Storage } from '../../values/storage-text.ts'

/** In DuckDB's words. */
export function withoutNaN(sql: string, storage: Storage, depth = 0): string {
  if (!holdsFloats(storage)) return sql
  switch (storage.kind) {
    case 'list': {
      const item = `item${depth}`
      return `list_transform(${sql}, lambda ${item}: ${withoutNaN(item, storage.item, depth + 1)})`
    }
    case 'struct': {
      const row = `row${depth}`
      const fields = storage.fields.map(({ name, storage: held }) => {
        const field = quoteText(name)
        return `${field}: ${withoutNaN(`${row}[${field}]`, held, depth + 1)}`
      })
      // Named once, however deep it is; a struct that is null stays null.
      const made = `lambda ${row}: CASE WHEN ${row} IS NOT NULL THEN {${fields.join(', ')}} END`
      return `list_transform([${sql}], ${made})[1]`
    }
    default:
      return `CASE WHEN isfinite(${sql}) THEN ${sql} END`
  }
}

function holdsFloats(storage: Storage): boolean {
  switch (storage.kind) {
    case 'list':
      return holdsFloats(storage.item)
    case 'struct':
      return storage.fields.some((field) => holdsFloats(field.storage))
    case 'decimal':
      return false
    case 'plain':
      return storage.name === 'DOUBLE' || storage.name === 'FLOAT'
  }
}
