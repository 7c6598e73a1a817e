// Rows of a query that calls as_of() for keys and moments, some hundred at a time, by an engine that joins by LATERAL.

import { createHash } from 'node:crypto'
import { inBatches } from '../../concurrency/batches.ts'
import { momentLiteral } from '../../sql/as-of.ts'
import { quoteName, quoteText } from '../../sql/sql-text.ts'
import type { Column, Row } from '../../values/columns.ts'
import type { KeyType, KeyValues } from '../../values/entity-key.ts'
import type { Warehouse } from '../../warehouse/port.ts'
import type { RecipeReference } from './recipe.ts'

export interface Pair {
  values: KeyValues
  moment: bigint
}

/** What one statement asks about; it may have a hundred thousand characters. */
const most = { pairs: 500, characters: 50_000 }

/** Whether the key's values can be written as they are. */
export function isPlainKey({ columns }: KeyType): boolean {
  return columns.every(
    ({ type, native = 'text' }) =>
      type === 'INT32' || type === 'INT64' || (type === 'STRING' && /^(text|varchar)$/i.test(native)),
  )
}

export function inStatements(pairs: Iterable<Pair>): Iterable<readonly Pair[]> {
  return inBatches(pairs, {
    most: most.pairs,
    maxWeight: most.characters,
    weightOf: (pair) => literalOf(pair, most.pairs).length + 2,
  })
}

/** For each pair its rows, in the pairs' order. */
export async function askTogether(
  warehouse: Pick<Warehouse, 'atMoment' | 'scan'>,
  { sql, columns: saved }: Pick<RecipeReference, 'sql' | 'columns'>,
  {
    pairs,
    type,
    snapshot,
    signal,
  }: { pairs: readonly Pair[]; type: KeyType; snapshot: string; signal: AbortSignal },
): Promise<{ columns: readonly Column[]; groups: Row[][] }> {
  // No text has such a name by chance.
  const asked = `asked_${createHash('sha256').update(sql).digest('hex').slice(0, 16)}`
  const statement = await warehouse.atMoment(sql, `${asked}.moment`, { signal })
  const names = saved.map(({ name }) => quoteName(name)).join(', ')
  const on = type.columns.map(({ name }, k) => `t.${quoteName(name)} = ${asked}.k${k}`).join(' AND ')
  const keys = type.columns.map((_, k) => `k${k}`).join(', ')
  const { columns, batches } = await warehouse.scan({
    sql: `SELECT ${asked}.place AS ${quoteName(place)}, ${names}
FROM (VALUES ${pairs.map(literalOf).join(', ')}) ${asked}(place, ${keys}, moment)
CROSS JOIN LATERAL (SELECT ${names} FROM (\n${statement}\n) t WHERE ${on}) v`,
    key: [place],
    snapshot,
    signal,
  })
  const groups: Row[][] = pairs.map(() => [])
  for await (const rows of batches) for (const [at, ...row] of rows) groups[Number(at)]?.push(row)
  return { columns: columns.slice(1), groups }
}

const place = 'gateway place'

function literalOf({ values, moment }: Pair, at: number): string {
  const written = values.map((value) => (typeof value === 'string' ? quoteText(value) : String(value)))
  return `(${[at, ...written, momentLiteral(moment, 'TIMESTAMP')].join(', ')})`
}
