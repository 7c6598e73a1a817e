// What a feature view's rows promise: its query's determinism, and what its ETL makes of it.

import type { EtlEngine } from '../etl/engine.ts'
import { type Certainty, overall, type Promised } from '../sql/determinism.ts'
import { exact, type Finding, open, worst } from '../sql/finding.ts'
import type { Warehouse } from '../warehouse/port.ts'
import { sameName } from './followed.ts'
import type { View } from './views.ts'

export interface Promises {
  /** Of the rows that are found by the view's key. */
  ofKey(view: Pick<View, 'query' | 'etl' | 'key'>): Promise<Promised>
  /** As one finding, for people. */
  overall(view: Pick<View, 'query' | 'etl'>): Promise<Finding>
}

export function createPromises({
  warehouse,
  etlEngine,
}: {
  warehouse: Pick<Warehouse, 'describe'>
  etlEngine: Pick<EtlEngine, 'promise'>
}): Promises {
  async function describe({ query, etl }: Pick<View, 'query' | 'etl'>) {
    const { columns, determinism = untold } = await warehouse.describe(query.sql)
    const promised =
      etl === null ? named(columns, determinism) : await etlEngine.promise(etl, { columns, determinism })
    return { promised, isTold: determinism !== untold }
  }

  return {
    ofKey: async (view) => ofOneKey((await describe(view)).promised, view.key.names),
    async overall(view) {
      const { promised, isTold } = await describe(view)
      return isTold ? overall(promised) : open('the warehouse does not tell what its statements promise')
    },
  }
}

/** Of the rows that are found by a key: which these are is left open where the key is. */
export function ofOneKey({ columns, rows }: Promised, key: readonly string[]): Promised {
  const left = key.flatMap((part) => {
    const [, found = exact] = [...columns].find(([name]) => sameName(name, part)) ?? []
    return found.level === 'EXACT' ? [] : [open(`its ${part} is left open: ${found.note}`)]
  })
  return { columns, rows: left.length === 0 ? rows : worst([rows, ...left]) }
}

/** Of a warehouse that does not tell, rows are held to be exact: a difference is shown rather than excused. */
const untold: Certainty = { columns: [], rows: exact }

function named(columns: readonly { name: string }[], { columns: findings, rows }: Certainty): Promised {
  return { columns: new Map(columns.map(({ name }, i) => [name, findings[i] ?? exact])), rows }
}
